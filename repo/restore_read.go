package repo

import (
	"context"
	"fmt"

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
		w := grainAt(at+i, leaf.ids[at+i], places[:], bases)
		switch {
		case w.place.IsZero():
			lost(i, f.repo.noPlace(w.id))
		case w.place.IsPatch():
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
	f.fetchOfLeaf(ctx, first, left, func(i int, plain []byte, err error) {
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
	stored, err := r.readRun(ctx, run)
	if err == nil {
		defer stored.release()
	}
	for i, w := range run {
		if p := slot(i); err != nil || r.decodeInto(p, w, stored.of(w)) != nil || r.id(format.Data, p) != w.id {
			failed(i)
		}
	}
}
