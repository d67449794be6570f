package repo

import (
	"context"
	"errors"
	"fmt"
	"io"

	"granary/repo/direct"
	"granary/repo/format"
)

// batchBytes is what is read, hashed and compressed in one go.
const batchBytes = 1 << 20

// batch is a run of grains of the file.
type batch struct {
	first   int64 // grain
	plain   []byte
	ids     []format.ID
	old     []format.ID    // the parent's at the same place; nil if there is none
	entries []format.Entry // of the grains that have to be stored
	stored  []byte         // their stored forms, one after the other
	done    chan struct{}
	home    chan *batch // to be given back to
}

func (b *batch) reset(first int64, n, grain int) {
	if cap(b.plain) < n {
		b.plain = direct.Buffer(n)
	}
	b.first, b.plain = first, b.plain[:n]
	count := (n + grain - 1) / grain
	if cap(b.ids) < count {
		b.ids = make([]format.ID, count)
	}
	b.ids, b.old = b.ids[:count], nil
	b.entries, b.stored, b.done = b.entries[:0], b.stored[:0], make(chan struct{})
}

// grain is the i-th grain of the batch.
func (b *batch) grain(i, size int) []byte {
	return b.plain[i*size : min((i+1)*size, len(b.plain))]
}

// fill reads a batch.
func (p *pipeline) fill(b *batch) error {
	off := b.first * int64(p.tree.Grain)
	n, err := p.in.Content.ReadAt(b.plain, off)
	if n == len(b.plain) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends at byte %d, not at %d", ErrChanged, off+int64(n), p.in.Size)
	}
	return fmt.Errorf("read at byte %d: %w", off+int64(n), err)
}

// process hashes, looks up and compresses a batch.
func (p *pipeline) process(ctx context.Context, b *batch) error {
	size := p.tree.Grain
	tools := p.writer.repo.workers.Get().(*worker)
	defer p.writer.repo.workers.Put(tools)
	for i := range b.ids {
		b.ids[i] = tools.hasher.ID(format.Data, b.grain(i, size))
	}
	wanted := b.ids
	if p.parent != nil {
		wanted = p.changed(ctx, b)
	}
	missing := make([]bool, len(wanted))
	if err := p.writer.known.take(ctx, wanted, missing); err != nil {
		return err
	}
	bases, err := p.bases(ctx, b, missing)
	if err != nil {
		return err
	}
	for i, m := range missing {
		if !m {
			continue
		}
		e := format.Entry{ID: b.ids[i], Plain: uint32(len(b.grain(i, size)))}
		if base, ok := bases[i]; ok && tools.patch(base.plain, b.grain(i, size)) {
			e.Base = base.id
			b.stored = tools.encode(&e, tools.patched, b.stored)
		} else {
			b.stored = tools.encode(&e, b.grain(i, size), b.stored)
		}
		b.entries = append(b.entries, e)
	}
	for _, base := range bases {
		p.writer.repo.grains.buffers.put(base.plain)
	}
	return nil
}

// changed returns the batch's IDs without those that the parent has at the
// same place. A parent that cannot be read costs only the comparison.
func (p *pipeline) changed(ctx context.Context, b *batch) []format.ID {
	old, err := p.parent.idsAt(ctx, b.first, len(b.ids))
	if err != nil {
		p.warned.Do(func() {
			p.writer.repo.log.Warn("parent generation cannot be read; comparing with the index alone", "file", p.in.Path, "err", err)
		})
		return b.ids
	}
	b.old = old
	wanted := make([]format.ID, len(b.ids))
	for i, id := range b.ids {
		if i >= len(old) || id != old[i] {
			wanted[i] = id
		}
	}
	return wanted
}
