package repo

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"granary/index"
	"granary/repo/format"
)

// wanted is a grain to fetch.
type wanted struct {
	id    format.ID
	place index.Place
	base  index.Place // of what a patch applies to
}

// grainAt is the i-th of grains whose places were found; bases are those of the
// patches among them, nil where there are none.
func grainAt(i int, id format.ID, places, bases []index.Place) wanted {
	w := wanted{id: id, place: places[i]}
	if bases != nil {
		w.base = bases[i]
	}
	return w
}

// whole is the base of a patch, as a grain to fetch.
func (w wanted) whole() wanted { return wanted{id: w.place.Base, place: w.base} }

// fetch reads and decodes grains, in runs and on all cores, and hands each to
// got as soon as it is there, from any goroutine. Damage is an error of its
// grain, given to got; fetch returns once all have been given. The place of a
// grain that was found elsewhere is corrected in grains.
func (r *Repo) fetch(ctx context.Context, kind format.PackKind, grains []wanted, got func(i int, plain []byte, err error)) {
	if len(grains) == 1 {
		plain, err := r.fetchOne(ctx, kind, &grains[0])
		got(0, plain, err)
		return
	}
	bases := r.fetchBases(ctx, grains)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0) + 1)
	for from := 0; from < len(grains); {
		to := runEnd(grains, from)
		r.fetchRun(ctx, &g, kind, grains[from:to], bases, from, got)
		from = to
	}
	_ = g.Wait() // errors went to got
}

// fetchBases fetches what those of the grains apply to that are patches, by the
// grains' numbers. One that cannot be had is left out: whoever then wants it for
// its patch alone learns why.
func (r *Repo) fetchBases(ctx context.Context, grains []wanted) map[int][]byte {
	var bases []wanted
	var at []int
	for i, w := range grains {
		if w.place.IsPatch() && !w.base.IsZero() && w.soundBase() == nil {
			bases, at = append(bases, w.whole()), append(at, i)
		}
	}
	if len(bases) == 0 {
		return nil
	}
	plain := make([][]byte, len(bases))
	r.fetch(ctx, format.Data, bases, func(i int, b []byte, _ error) { plain[i] = b })
	byGrain := make(map[int][]byte, len(bases))
	for i, b := range plain {
		byGrain[at[i]] = b
	}
	return byGrain
}

func (r *Repo) fetchRun(ctx context.Context, g *errgroup.Group, kind format.PackKind, run []wanted, bases map[int][]byte, at int, got func(int, []byte, error)) {
	stored, err := r.readRun(ctx, run)
	if err != nil {
		// One of the grains may still be readable.
		for i := range run {
			plain, err := r.fetchOne(ctx, kind, &run[i])
			got(at+i, plain, err)
		}
		return
	}
	defer stored.release()
	var left sync.WaitGroup
	left.Add(len(run))
	for i := range run {
		w := &run[i]
		g.Go(func() error {
			defer left.Done()
			if w.place.IsPatch() && bases[at+i] == nil {
				plain, err := r.fetchOne(ctx, kind, w)
				got(at+i, plain, err)
				return nil
			}
			plain, err := r.decode(kind, *w, stored.of(*w), bases[at+i])
			if err != nil {
				plain, err = r.fetchAgain(ctx, kind, w, err)
			}
			got(at+i, plain, err)
			return nil
		})
	}
	left.Wait()
}

func (r *Repo) fetchOne(ctx context.Context, kind format.PackKind, w *wanted) ([]byte, error) {
	plain, err := r.readGrain(ctx, kind, *w)
	if err != nil {
		return r.fetchAgain(ctx, kind, w, err)
	}
	return plain, nil
}

func (r *Repo) readGrain(ctx context.Context, kind format.PackKind, w wanted) ([]byte, error) {
	stored, err := r.readRun(ctx, []wanted{w})
	if err != nil {
		return nil, err
	}
	defer stored.release()
	base, err := r.readBase(ctx, w)
	if err != nil {
		return nil, err
	}
	return r.decode(kind, w, stored.of(w), base)
}

// readBase reads what a grain applies to that is a patch; nil for one that is
// none.
func (r *Repo) readBase(ctx context.Context, w wanted) ([]byte, error) {
	if !w.place.IsPatch() {
		return nil, nil
	}
	if w.base.IsZero() {
		return nil, r.noPlace(w.place.Base)
	}
	damage := &DamageError{Object: w.base.Pack.String(), Grain: w.place.Base}
	if damage.Err = w.soundBase(); damage.Err != nil {
		return nil, damage
	}
	base, err := r.readGrain(ctx, format.Data, w.whole())
	if damaged(err) {
		damage.Err = err
		return nil, damage
	}
	return base, err
}

// soundBase tells whether the base of a patch is stored as one has to be.
func (w wanted) soundBase() error {
	if w.base.IsPatch() || w.base.Plain != w.place.Plain {
		return fmt.Errorf("%w: what a patch applies to is itself a patch, or of another length", format.ErrCorrupt)
	}
	return nil
}

// fetchAgain is asked after a failure: the index may have led to a wrong
// place, or the pack is gone while another has the grain. Only when the pack's
// own table confirms the place, it is the grain that is damaged.
func (r *Repo) fetchAgain(ctx context.Context, kind format.PackKind, w *wanted, failed error) ([]byte, error) {
	look := func(context.Context) error { return nil }
	for _, mend := range []func(context.Context) error{look, r.refresh, r.rebuild} {
		if !damaged(failed) {
			return nil, failed
		}
		damage := damageOf(*w, failed)
		if r.tableConfirms(ctx, *w) && (!w.place.IsPatch() || r.tableConfirms(ctx, w.whole())) {
			return nil, damage
		}
		var found []wanted
		err := mend(ctx)
		if err == nil {
			found, err = r.locate(ctx, []format.ID{w.id})
		}
		if err != nil {
			return nil, errors.Join(damage, err)
		}
		if found[0].place.IsZero() || found[0] == *w {
			continue
		}
		*w = found[0]
		var plain []byte
		if plain, failed = r.readGrain(ctx, kind, *w); failed == nil {
			return plain, nil
		}
	}
	if damaged(failed) {
		failed = damageOf(*w, failed)
	}
	return nil, failed
}

// damageOf names the damaged grain: w, unless the error names the one that w
// applies to.
func damageOf(w wanted, failed error) error {
	var damage *DamageError
	if errors.As(failed, &damage) {
		return failed
	}
	return &DamageError{Object: w.place.Pack.String(), Grain: w.id, Err: failed}
}

func (r *Repo) tableConfirms(ctx context.Context, w wanted) bool {
	t, _, err := r.readTable(ctx, w.place.Pack)
	if err != nil {
		return false
	}
	for i, p := range index.Places(t) {
		if t.Entries[i].ID == w.id && p == w.place {
			return true
		}
	}
	return false
}

// readTable reads the table of a pack that no manifest describes, and the
// pack's size.
func (r *Repo) readTable(ctx context.Context, name format.PackName) (format.PackTable, int64, error) {
	size, err := r.store.Size(ctx, name.String())
	if err == nil && size < format.PackHeaderSize+format.TrailerSize {
		err = fmt.Errorf("%s: %w: %d bytes", name, format.ErrCorrupt, size)
	}
	header, trailer := make([]byte, format.PackHeaderSize), make([]byte, format.TrailerSize)
	if err == nil {
		err = r.store.ReadAt(ctx, name.String(), header, 0)
	}
	if err == nil {
		err = r.store.ReadAt(ctx, name.String(), trailer, size-format.TrailerSize)
	}
	entries := 0
	if err == nil {
		entries, err = format.ParseTrailer(trailer)
	}
	if damaged(err) {
		err = &DamageError{Object: name.String(), Err: err}
	}
	if err != nil {
		return format.PackTable{}, size, err
	}
	t, err := r.packTable(ctx, name, size, format.HeaderKind(header), entries)
	return t, size, err
}

func (r *Repo) readPack(ctx context.Context, pack format.PackName, p []byte, off uint32) error {
	return r.store.ReadAt(ctx, pack.String(), p, int64(off))
}

// decode gives a grain's plain bytes, proved by its ID, in a buffer of the
// cache's. Those of a patch are made in place of its base.
func (r *Repo) decode(kind format.PackKind, w wanted, stored, base []byte) ([]byte, error) {
	if w.place.Plain > format.MaxGrain {
		return nil, w.corrupt("impossible length")
	}
	plain, err := base, error(nil)
	if w.place.IsPatch() {
		err = r.applyStored(base, w, stored)
	} else {
		plain = r.grains.buffers.get(int(w.place.Plain))
		err = r.decodeInto(plain, w, stored)
	}
	if err == nil && r.id(kind, plain) != w.id {
		err = w.corrupt("content does not match its ID")
	}
	if err != nil {
		r.grains.buffers.put(plain)
		return nil, err
	}
	return plain, nil
}

// decodeInto decodes what is stored of a grain that is no patch into p, which is
// as long as the grain and has room for decodeSlack bytes more.
func (r *Repo) decodeInto(p []byte, w wanted, stored []byte) error {
	n, err := r.decodeForm(p, w, stored)
	if err == nil && n != len(p) {
		err = w.corrupt("wrong length")
	}
	return err
}

// applyStored applies a stored patch to its base.
func (r *Repo) applyStored(base []byte, w wanted, stored []byte) error {
	patch := r.grains.buffers.get(format.MaxPatch(int(w.place.Plain)))
	defer r.grains.buffers.put(patch)
	n, err := r.decodeForm(patch, w, stored)
	if err != nil {
		return err
	}
	if err := format.ApplyPatch(base, patch[:n]); err != nil {
		return w.corrupt(err.Error())
	}
	return nil
}

// decodeForm decodes a stored form into p, and returns its length.
func (r *Repo) decodeForm(p []byte, w wanted, stored []byte) (int, error) {
	switch w.place.Encoding {
	case format.Raw:
		if len(stored) > len(p) {
			return 0, w.corrupt("wrong length")
		}
		return copy(p, stored), nil
	case format.Zstd:
		plain, err := r.decoder.DecodeAll(stored, p[:0:len(p)+decodeSlack])
		if err != nil {
			return 0, w.corrupt(err.Error())
		}
		if len(plain) > len(p) {
			return 0, w.corrupt("wrong length")
		}
		return len(plain), nil
	}
	return 0, fmt.Errorf("%w (encoding %d)", format.ErrNewer, w.place.Encoding)
}

func (w wanted) corrupt(why string) error {
	return fmt.Errorf("%w: grain at byte %d: %s", format.ErrCorrupt, w.place.Offset, why)
}

// id gives the ID of plain bytes.
func (r *Repo) id(kind format.PackKind, plain []byte) format.ID {
	hasher := r.hashers.Get().(*format.Hasher)
	defer r.hashers.Put(hasher)
	return hasher.ID(kind, plain)
}
