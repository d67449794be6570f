package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"granary/repo/format"
)

// pipeline stores one file. Batches are cut in the order of the file, read
// several at once, hashed and compressed by all cores, and collected in order
// again, so that grains lie in the packs as they do in the file.
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

// batchReaders is how many batches of a file are read at once, ahead of the
// hashers: a disk is fast only while several requests wait for it.
const batchReaders = 4

// sharedBatches is how many batches all writers together have beside their own:
// one on each core, one that it takes next, and those that are read.
func sharedBatches() int { return 2*workers() + batchReaders }

// workers is how many goroutines do at once what keeps a core busy.
func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// maxWorkers bounds the memory on a machine of many cores: a disk does not keep
// up with more.
const maxWorkers = 32

func (p *pipeline) run(ctx context.Context) (format.ID, error) {
	p.builder = newTreeBuilder(p.tree, p.putNode)
	p.node = p.writer.repo.workers.Get().(*worker)
	defer p.writer.repo.workers.Put(p.node)

	empty, full, order := make(chan *batch), make(chan *batch), make(chan *batch, sharedBatches()+ownBatches)
	defer func() {
		// Those that an error left behind may still be read into.
		for range p.borrowed.Load() {
			p.writer.batches.shared <- nil
		}
	}()
	caller := ctx // the group's context ends with the group
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(empty)
		defer close(order)
		return p.cut(ctx, empty, order)
	})
	var reading sync.WaitGroup
	reading.Add(batchReaders)
	for range batchReaders {
		g.Go(func() error {
			defer reading.Done()
			for b := range empty {
				if err := p.fill(b); err != nil {
					return err
				}
				if err := send(ctx, full, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(full)
		reading.Wait()
		return nil
	})
	for range workers() {
		g.Go(func() error {
			for b := range full {
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

func send(ctx context.Context, to chan<- *batch, b *batch) error {
	select {
	case to <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cut makes the batches, over data only, aligned to their own size so that a
// batch lies within one leaf.
func (p *pipeline) cut(ctx context.Context, empty, order chan<- *batch) error {
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
		for _, to := range []chan<- *batch{order, empty} {
			if err := send(ctx, to, b); err != nil {
				return err
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
