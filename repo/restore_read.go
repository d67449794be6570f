package repo

import (
	"context"
	"fmt"
	"slices"

	"granary/repo/format"
)

// readGrains decodes grains of one leaf to where they belong: wants counts from
// the grain first, whose place is the beginning of plain. plain needs room for
// decodeSlack bytes past its end. Nothing is cached: whoever reads a whole file
// reads each grain once. A grain that cannot be had is told to lost, from any
// goroutine, and what then lies in its place means nothing.
func (f *File) readGrains(ctx context.Context, leaf *branch, first int64, wants []int, plain []byte, lost func(i int, err error)) error {
	places, bases, err := leaf.resolve(ctx, f.repo)
	if err != nil {
		return err
	}
	at := int(first % format.Fanout)
	var grains, left []wanted // left are those that fetch has to get
	var slots, leftSlots []int
	for _, i := range wants {
		w := wanted{id: leaf.ids[at+i], place: places[at+i]}
		switch {
		case w.place.IsZero():
			lost(i, f.repo.noPlace(w.id))
		case w.place.IsPatch():
			w.base = bases[at+i]
			left, leftSlots = append(left, w), append(leftSlots, i)
		default:
			grains, slots = append(grains, w), append(slots, i)
		}
	}
	slot := func(i int) []byte {
		from := i * f.tree.Grain
		return plain[from : from+f.tree.GrainLen(first+int64(i))]
	}
	for from := 0; from < len(grains); {
		run := grains[from:runEnd(grains, from)]
		at := slots[from:]
		f.repo.decodeRun(ctx, run, func(i int) []byte { return slot(at[i]) }, func(i int) {
			left, leftSlots = append(left, run[i]), append(leftSlots, at[i])
		})
		from += len(run)
	}
	f.fetchLeft(ctx, first, left, func(i int, plain []byte, err error) {
		into := slot(leftSlots[i])
		if err == nil && len(plain) != len(into) {
			err = fmt.Errorf("%w: grain of %d bytes where %d belong", format.ErrCorrupt, len(plain), len(into))
		}
		if err != nil {
			lost(leftSlots[i], err)
			return
		}
		copy(into, plain)
	})
	return ctx.Err()
}

// decodeRun reads a run of grains at once and decodes each into its slot, one
// after the other. It tells failed of those that did not come out right.
func (r *Repo) decodeRun(ctx context.Context, run []wanted, slot func(i int) []byte, failed func(i int)) {
	buf := runBuffers.Get().(*[]byte)
	defer runBuffers.Put(buf)
	first, last := run[0].place, run[len(run)-1].place
	size := int(last.Offset + last.Stored - first.Offset)
	if cap(*buf) < size {
		*buf = make([]byte, size)
	}
	stored := (*buf)[:size]
	readable := r.readPack(ctx, first.Pack, stored, first.Offset) == nil
	for i, w := range run {
		from := w.place.Offset - first.Offset
		if p := slot(i); !readable || r.decodeInto(p, w, stored[from:from+w.place.Stored]) != nil || r.id(format.Data, p) != w.id {
			failed(i)
		}
	}
}

// fetchLeft gets grains that were not where they were looked for, or not as
// they should be, or that are patches.
func (f *File) fetchLeft(ctx context.Context, first int64, left []wanted, got func(i int, plain []byte, err error)) {
	was := slices.Clone(left)
	f.repo.fetch(ctx, format.Data, left, func(i int, plain []byte, err error) {
		if err != nil || left[i] != was[i] {
			// The next reader must not go by these places.
			f.forgetLeaf(ctx, first)
		}
		got(i, plain, err)
	})
}
