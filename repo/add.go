package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/repo/format"
)

// Input is a file to add to a generation.
type Input struct {
	// File describes it; Allocated, Read and Root are filled in by Add.
	format.File
	// Content is read at offsets below Size, by several goroutines. Where it
	// is a DataFinder too, holes are not read.
	Content io.ReaderAt
	// Parent is the same file in an older generation, nil if there is none.
	Parent *ParentFile
	// Progress, if not nil, is told of bytes that are done, from any
	// goroutine.
	Progress func(bytes int64)
}

// ParentFile is the state of a file in an older generation of the VM. It is
// passed over if that was forgotten when the session began.
type ParentFile struct {
	Generation *Generation
	File       *format.File
}

// DataFinder tells data from holes, as lseek(2) with SEEK_DATA and SEEK_HOLE.
type DataFinder interface {
	// NextData returns the first range of data at or after off, or io.EOF.
	NextData(off int64) (start, end int64, err error)
}

// batchBytes is what is read, hashed and compressed in one go.
const batchBytes = 1 << 20

// unchangedAge is how much older than the parent's reading a file's times have
// to be: a write in the clock tick of that reading would not show in them.
const unchangedAge = 2 * time.Second

// Unchanged tells whether a file's size, times and inode prove that it still
// is what its parent holds, and the repository still has that.
func (w *Writer) Unchanged(in Input) bool {
	if !w.known.trusts(in.Parent) {
		return false
	}
	f, p := in.File, in.Parent.File
	newest := max(p.ModTime, p.Changed)
	return p.Changed != 0 && p.Inode != 0 && p.Read-newest >= int64(unchangedAge) &&
		p.Size == f.Size && p.ModTime == f.ModTime && p.Changed == f.Changed && p.Inode == f.Inode && p.Device == f.Device
}

// Reuse returns the file of an Unchanged input without reading it.
func (w *Writer) Reuse(in Input) format.File {
	f, p := in.File, in.Parent.File
	f.Root, f.Allocated, f.Read = p.Root, p.Allocated, p.Read
	return f
}

// Add stores a file's content and returns its entry for the manifest. It
// returns ErrChanged when the content ends before Size.
//
// Memory: a few MiB for each core, whatever the file's size and however many
// writers of the Repo are at work, and about 20 MiB for each of these.
func (w *Writer) Add(ctx context.Context, in Input) (f format.File, err error) {
	if w.dead != nil {
		return format.File{}, fmt.Errorf("add %q: %w", in.Path, w.dead)
	}
	defer func() {
		if err != nil {
			w.dead = err
		}
	}()
	if !w.known.trusts(in.Parent) {
		in.Parent = nil
	}
	tree := format.Tree{Size: in.Size, Grain: w.repo.config.Grain}
	if in.Size > format.MaxFileSize || tree.Height() > format.MaxHeight {
		return format.File{}, fmt.Errorf("add %q: %d bytes are too many", in.Path, in.Size)
	}
	f = in.File
	f.Read = time.Now().UnixNano()
	p := &pipeline{writer: w, in: in, tree: tree, grains: max(1, batchBytes/tree.Grain)}
	if in.Parent != nil && in.Parent.File.Size > 0 {
		p.parent = w.repo.newFile(in.Parent.Generation, in.Parent.File)
	}
	if f.Root, err = p.run(ctx); err != nil {
		return format.File{}, fmt.Errorf("add %q: %w", in.Path, err)
	}
	f.Allocated = p.allocated
	w.readBytes += p.read
	return f, nil
}

// pipeline stores one file. Batches are made in the order of the file, worked
// on by all cores, and collected in order again, so that grains lie in the
// packs as they do in the file.
type pipeline struct {
	writer *Writer
	in     Input
	tree   format.Tree
	grains int // in a batch
	parent *File
	warned sync.Once // that the parent cannot be read

	borrowed  atomic.Int32 // shared batches that were not given back
	allocated int64
	read      int64
	builder   *treeBuilder
	node      *worker // for the collector's nodes
}

// ownBatches is how many batches a writer has beside the shared ones.
const ownBatches = 1

// batchWorkers is how many batches of a file are worked on at once. Some wait
// for the disk.
func batchWorkers() int { return runtime.GOMAXPROCS(0) + 2 }

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

func (p *pipeline) run(ctx context.Context) (format.ID, error) {
	p.builder = newTreeBuilder(p.tree, p.putNode)
	p.node = p.writer.repo.workers.Get().(*worker)
	defer p.writer.repo.workers.Put(p.node)

	work, order := make(chan *batch), make(chan *batch, 2*batchWorkers())
	defer func() {
		// Those that an error left behind may still be read into.
		for range p.borrowed.Load() {
			p.writer.batches.shared <- nil
		}
	}()
	caller := ctx // the group's context ends with the group
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		return p.cut(ctx, work, order)
	})
	for range batchWorkers() {
		g.Go(func() error {
			for b := range work {
				if err := p.process(ctx, b); err != nil {
					return err
				}
				close(b.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for b := range order {
			select {
			case <-b.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := p.collect(ctx, b); err != nil {
				return err
			}
			p.giveBack(b)
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return format.ID{}, err
	}
	return p.builder.finish(caller)
}

// cut makes the batches, over data only, aligned to their own size so that a
// batch lies within one leaf.
func (p *pipeline) cut(ctx context.Context, work, order chan<- *batch) error {
	span := int64(p.grains) * int64(p.tree.Grain)
	finder, sparse := p.in.Content.(DataFinder)
	dataEnd := p.in.Size
	if sparse {
		dataEnd = 0 // not known yet
	}
	for off := int64(0); off < p.in.Size; {
		if off >= dataEnd {
			start, end, err := finder.NextData(off)
			if errors.Is(err, io.EOF) {
				p.progress(p.in.Size - off)
				return p.reaches(p.in.Size)
			}
			if err != nil {
				return fmt.Errorf("find data: %w", err)
			}
			aligned := max(off, start/span*span)
			p.progress(aligned - off)
			off, dataEnd = aligned, end
			if off >= p.in.Size {
				return nil
			}
		}
		n := int(min(span, p.in.Size-off))
		b, err := p.borrow(ctx)
		if err != nil {
			return err
		}
		b.reset(off/int64(p.tree.Grain), n, p.tree.Grain)
		p.read += int64(n)
		for _, to := range []chan<- *batch{order, work} {
			select {
			case to <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		off += int64(n)
	}
	return nil
}

// borrow waits for a batch.
func (p *pipeline) borrow(ctx context.Context) (*batch, error) {
	l, err := p.writer.batches.borrow(ctx)
	if err != nil {
		return nil, err
	}
	if l.home == p.writer.batches.shared {
		p.borrowed.Add(1)
	}
	b := l.buffer
	if b == nil {
		b = &batch{}
	}
	b.home = l.home
	return b, nil
}

func (p *pipeline) giveBack(b *batch) {
	if b.home == p.writer.batches.shared {
		p.borrowed.Add(-1)
	}
	b.home <- b
}

// reaches fails where the content ends before size: what looks like a hole at
// its end may be no file any more.
func (p *pipeline) reaches(size int64) error {
	n, err := p.in.Content.ReadAt(make([]byte, 1), size-1)
	if n == 1 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends before byte %d", ErrChanged, size)
	}
	return fmt.Errorf("read at byte %d: %w", size-1, err)
}

func (b *batch) reset(first int64, n, grain int) {
	if cap(b.plain) < n {
		b.plain = make([]byte, n)
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

// process reads, hashes, looks up and compresses a batch.
func (p *pipeline) process(ctx context.Context, b *batch) error {
	size := p.tree.Grain
	if n, err := p.in.Content.ReadAt(b.plain, b.first*int64(size)); n < len(b.plain) {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ends at byte %d, not at %d", ErrChanged, b.first*int64(size)+int64(n), p.in.Size)
		}
		return fmt.Errorf("read at byte %d: %w", b.first*int64(size)+int64(n), err)
	}
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

// collect puts a batch's new grains into packs and its IDs into the tree.
func (p *pipeline) collect(ctx context.Context, b *batch) error {
	stored := b.stored
	for _, e := range b.entries {
		kind := format.Data
		if !e.Base.IsZero() {
			kind = format.Patches
		}
		if err := p.writer.store(ctx, kind, e, stored[:e.Stored]); err != nil {
			return err
		}
		stored = stored[e.Stored:]
	}
	for i, id := range b.ids {
		if !id.IsZero() {
			p.allocated += int64(len(b.grain(i, p.tree.Grain)))
		}
		if err := p.builder.set(ctx, 0, b.first+int64(i), id); err != nil {
			return err
		}
	}
	p.progress(int64(len(b.plain)))
	return nil
}

// putNode stores a node unless it is known.
func (p *pipeline) putNode(ctx context.Context, n *format.Node) (format.ID, error) {
	plain := n.AppendTo(make([]byte, 0, format.NodeSize))
	id := p.node.hasher.ID(format.Nodes, plain)
	missing := []bool{false}
	if err := p.writer.known.take(ctx, []format.ID{id}, missing); err != nil {
		return id, err
	}
	if missing[0] {
		e := format.Entry{ID: id, Plain: format.NodeSize}
		stored := p.node.encode(&e, plain, nil)
		if err := p.writer.store(ctx, format.Nodes, e, stored); err != nil {
			return id, err
		}
	}
	return id, nil
}

func (p *pipeline) progress(bytes int64) {
	if p.in.Progress != nil && bytes > 0 {
		p.in.Progress(bytes)
	}
}
