package repo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"granary/repo/format"
)

// spanBytes is what one goroutine reads, decodes and writes at a time.
const spanBytes = 1 << 20

// rewriter makes a file hold the same bytes as one of a generation: it reads
// what is there, and fetches and writes only what differs.
type rewriter struct {
	file *File
	out  *os.File
	// change is called before each change.
	change func() error
	// keep leaves the old bytes where the generation's are damaged; else
	// damage ends the rewriting.
	keep     bool
	progress func(int64)

	old int64 // where what out held ends; what is past it is a hole

	read, different, written, punched, lost atomic.Int64

	mu     sync.Mutex   // guards what follows
	damage *DamageError // the first in the file
}

// run returns the first error. Damage where old bytes are kept is none.
func (w *rewriter) run(ctx context.Context) error {
	if err := w.resize(); err != nil {
		return err
	}
	g, going := errgroup.WithContext(ctx)
	// More than there are cores: some wait for a disk.
	g.SetLimit(workers() + 2)
	began := w.begin(going, g)
	if err := g.Wait(); err != nil {
		return err
	}
	if began != nil {
		return began
	}
	return ctx.Err()
}

// resize gives out its size, and so cuts off or lengthens by a hole what is
// there.
func (w *rewriter) resize() error {
	info, err := w.out.Stat()
	if err != nil {
		return err
	}
	size := w.file.Size()
	if w.old = min(info.Size(), size); info.Size() == size {
		return nil
	}
	w.different.Add(max(0, info.Size()-size))
	if err := w.change(); err != nil {
		return err
	}
	return w.out.Truncate(size)
}

// damaged tells of the damage where old bytes are kept.
func (w *rewriter) damaged() error {
	if w.damage == nil {
		return nil
	}
	return fmt.Errorf("%d bytes keep what they were: %w", w.lost.Load(), w.damage)
}

// begin begins a span after the other, leaf by leaf.
func (w *rewriter) begin(ctx context.Context, g *errgroup.Group) error {
	f := w.file
	grain := int64(f.tree.Grain)
	span := max(1, spanBytes/grain)
	for first := int64(0); first < f.tree.Grains() && ctx.Err() == nil; {
		leaf, _, end, err := f.walk(ctx, first, leavesAtOnce)
		if err != nil {
			size := min(end*grain, f.Size()) - first*grain
			if err := w.lose(err, first*grain, size); err != nil {
				return err
			}
			w.progress(size)
			first = end
			continue
		}
		for first < end && ctx.Err() == nil {
			if leaf == nil {
				// Nothing to do before the next data of the file.
				data, err := w.nextData(first * grain)
				if err != nil {
					return err
				}
				skipped := min(data/grain, end)
				w.progress(min(skipped*grain, f.Size()) - first*grain)
				if first = skipped; first == end {
					break
				}
			}
			from, to := first, min(end, (first/span+1)*span)
			g.Go(func() error { return w.span(ctx, leaf, from, to) })
			first = to
		}
	}
	return nil
}

// nextData is where the old data at or after off begins, past the file's end
// if there is none.
func (w *rewriter) nextData(off int64) (int64, error) {
	if off < w.old {
		start, err := nextData(w.out, off)
		if err != nil {
			return 0, fmt.Errorf("look for holes: %w", err)
		}
		if start < w.old {
			return start, nil
		}
	}
	return w.file.Size() + int64(w.file.tree.Grain), nil
}

// spanBuffers hold the bytes of spans, old or new.
var spanBuffers = sync.Pool{New: func() any { return new([]byte) }}

// span rewrites the grains from first up to end, all below leaf, nil for a
// hole.
func (w *rewriter) span(ctx context.Context, leaf *branch, first, end int64) error {
	grain := int64(w.file.tree.Grain)
	off := first * grain
	size := min(end*grain, w.file.Size()) - off
	buf := spanBuffers.Get().(*[]byte)
	defer spanBuffers.Put(buf)
	if int64(cap(*buf)) < size+decodeSlack {
		*buf = make([]byte, size+decodeSlack)
	}
	plain := (*buf)[:size]
	wants := make([]format.ID, end-first)
	if leaf != nil {
		copy(wants, leaf.ids[first%format.Fanout:])
	}
	fetch, punch, err := w.compare(off, plain, wants)
	if err == nil && len(fetch) > 0 {
		fetch, err = w.fetch(ctx, leaf, first, fetch, plain)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = w.each(fetch, size, func(from, to int64) error {
			w.written.Add(to - from)
			_, err := w.out.WriteAt(plain[from:to], off+from)
			return err
		})
	}
	if err == nil {
		err = w.each(punch, size, func(from, to int64) error { return w.zero(off+from, to-from) })
	}
	if err == nil {
		startWriteBack(w.out, off, size)
		w.progress(size)
	}
	return err
}

// compare finds the grains that are not what they should be, and which of them
// are to be fetched, and which are to be holes. It uses plain to read.
func (w *rewriter) compare(off int64, plain []byte, wants []format.ID) (fetch, punch []int, err error) {
	grain := w.file.tree.Grain
	data, err := w.nextData(off)
	if err != nil {
		return nil, nil, err
	}
	// Grains before this one are holes, and so are those from the other on.
	from := int(min((data-off)/int64(grain), int64(len(wants))))
	to := from
	if w.old > off && from < len(wants) {
		to = int(min((w.old-off+int64(grain)-1)/int64(grain), int64(len(wants))))
		part := plain[from*grain : min(to*grain, len(plain))]
		if n, err := w.out.ReadAt(part, off+int64(from*grain)); n < len(part) {
			return nil, nil, err
		}
		w.read.Add(int64(len(part)))
	}
	for i, want := range wants {
		own := plain[i*grain : min((i+1)*grain, len(plain))]
		var have format.ID
		if from <= i && i < to {
			have = w.file.repo.id(format.Data, own)
		}
		if have == want {
			continue
		}
		w.different.Add(int64(len(own)))
		if want.IsZero() {
			punch = append(punch, i)
		} else {
			fetch = append(fetch, i)
		}
	}
	return fetch, punch, nil
}

// fetch puts grains into plain, and returns those that are there.
func (w *rewriter) fetch(ctx context.Context, leaf *branch, first int64, wants []int, plain []byte) (got []int, err error) {
	var mu sync.Mutex // guards what follows
	missing := map[int]bool{}
	var failed error
	err = w.file.readGrains(ctx, leaf, first, wants, plain, func(i int, err error) {
		at := first + int64(i)
		mu.Lock()
		defer mu.Unlock()
		missing[i] = true
		err = w.lose(err, at*int64(w.file.tree.Grain), int64(w.file.tree.GrainLen(at)))
		if failed == nil {
			failed = err
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil || len(missing) == 0 {
		return wants, err
	}
	for _, i := range wants {
		if !missing[i] {
			got = append(got, i)
		}
	}
	return got, nil
}

// lose remembers damage where old bytes are kept, and returns any other error.
func (w *rewriter) lose(err error, off, size int64) error {
	err = w.file.locate(err, off)
	var damage *DamageError
	if !errors.As(err, &damage) || !w.keep {
		return err
	}
	w.lost.Add(size)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.damage == nil || damage.Offset < w.damage.Offset {
		w.damage = damage
	}
	return nil
}

// each hands the runs of neighbouring grains to write, as byte offsets in a
// span of so many bytes.
func (w *rewriter) each(grains []int, size int64, write func(from, to int64) error) error {
	grain := int64(w.file.tree.Grain)
	for i := 0; i < len(grains); {
		j := i + 1
		for j < len(grains) && grains[j] == grains[j-1]+1 {
			j++
		}
		if err := w.change(); err != nil {
			return err
		}
		if err := write(int64(grains[i])*grain, min(int64(grains[j-1]+1)*grain, size)); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// zero makes a hole, or writes zeros where there can be none.
func (w *rewriter) zero(off, size int64) error {
	err := punchHole(w.out, off, size)
	if err == nil {
		w.punched.Add(size)
		return nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("punch a hole: %w", err)
	}
	w.written.Add(size)
	_, err = w.out.WriteAt(make([]byte, size), off)
	return err
}

func (w *rewriter) addTo(r *RestoreReport) {
	r.ReadBytes += w.read.Load()
	r.DifferentBytes += w.different.Load()
	r.WrittenBytes += w.written.Load()
	r.PunchedBytes += w.punched.Load()
}
