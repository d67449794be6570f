package repo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"granary/index"
	"granary/repo/format"
)

// mergeTables is how many packs' tables are held at once while they are
// merged: 64 tables are at most about 50 MiB, usually 1.
const mergeTables = 64

// refresh merges the packs of generations that the index has not seen.
func (r *Repo) refresh(ctx context.Context) error {
	r.mending.Lock()
	defer r.mending.Unlock()
	_, err := r.mergeMissing(ctx)
	return err
}

// mergeMissing reads the tables of packs that manifests name and the index
// lacks, and merges them. mending is held. A damaged pack does not keep the
// others out.
func (r *Repo) mergeMissing(ctx context.Context) (merged int, err error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return 0, err
	}
	missing, known, err := r.missingPacks(ctx, list)
	if err != nil {
		return 0, err
	}
	r.lost = nil
	if len(missing) > mergeTables && known == 0 {
		merged, err = r.buildIndex(ctx, missing)
		if !errors.Is(err, index.ErrNoSpace) {
			return merged, err
		}
		merged = 0 // mergeIndex knows what to do
	}
	for len(missing) > 0 {
		n := min(mergeTables, len(missing))
		var tables []format.PackTable
		for t, err := range r.tables(ctx, missing[:n]) {
			if err != nil {
				return merged, err
			}
			tables = append(tables, t)
		}
		moved, err := r.mergeIndex(ctx, tables)
		if err != nil {
			return merged, err
		}
		if moved {
			return r.mergeMissing(ctx) // the other index lacks other packs
		}
		merged += len(tables)
		missing = missing[n:]
	}
	return merged, nil
}

// buildIndex makes an index that has none of many packs.
func (r *Repo) buildIndex(ctx context.Context, packs []sizedPack) (built int, err error) {
	grains := 0
	for _, p := range packs {
		grains += p.entries
	}
	err = r.currentIndex().Build(ctx, grains, func(yield func(format.PackTable, error) bool) {
		for t, err := range r.tables(ctx, packs) {
			if err == nil {
				built++
			}
			if !yield(t, err) {
				return
			}
		}
	})
	return built, err
}

// tables yields the tables of packs. Those that cannot be read are lost, and
// only the end of the context is an error. mending is held.
func (r *Repo) tables(ctx context.Context, packs []sizedPack) iter.Seq2[format.PackTable, error] {
	return func(yield func(format.PackTable, error) bool) {
		for _, p := range packs {
			t, err := r.packTable(ctx, p.PackName, int64(p.size), p.kind, p.entries)
			if ctx.Err() != nil {
				yield(t, ctx.Err())
				return
			}
			if err != nil {
				r.log.Warn("a pack's table of contents cannot be read; run granary check", "err", err)
				r.lost = append(r.lost, p.PackName)
				continue
			}
			if !yield(t, nil) {
				return
			}
		}
	}
}

// sizedPack is a pack as a manifest names it.
type sizedPack struct {
	format.PackName
	size    uint32
	entries int
	kind    format.PackKind
}

// packs yields the packs of all generations, forgotten ones too.
func (l *Listing) packs() iter.Seq[sizedPack] {
	return func(yield func(sizedPack) bool) {
		for _, g := range l.all() {
			for _, p := range g.Packs {
				if !yield(sizedPack{format.PackName{Session: g.Session, Number: p.Number}, p.Size, int(p.Entries), p.Kind}) {
					return
				}
			}
		}
	}
}

// missingPacks are the packs that the index lacks; known is how many it has.
func (r *Repo) missingPacks(ctx context.Context, list *Listing) (missing []sizedPack, known int, err error) {
	err = r.currentIndex().View(ctx, func(v *index.View) error {
		missing, known = nil, 0 // it may be called again
		for p := range list.packs() {
			has, err := v.Has(p.PackName)
			if err != nil {
				return err
			}
			if has {
				known++
			} else {
				missing = append(missing, p)
			}
		}
		return nil
	})
	return missing, known, err
}

// packSizes lists the packs that are there, in bytes.
func (r *Repo) packSizes(ctx context.Context) (map[format.PackName]int64, error) {
	sizes := map[format.PackName]int64{}
	err := r.store.List(ctx, format.PacksPrefix, func(name string, size int64) error {
		if p, err := format.ParsePackName(name); err == nil {
			sizes[p] = size
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list packs: %w", err)
	}
	return sizes, nil
}

// noPlace is the damage of a grain that no readable table names.
func (r *Repo) noPlace(id format.ID) error {
	r.mending.Lock()
	defer r.mending.Unlock()
	object := "index"
	if len(r.lost) > 0 {
		object = fmt.Sprint(r.lost[0])
		if len(r.lost) > 1 {
			object = fmt.Sprintf("one of %d packs, %v among them", len(r.lost), r.lost[0])
		}
	}
	return &DamageError{Object: object, Grain: id, Err: fmt.Errorf("%w: no pack that can be read has it", format.ErrCorrupt)}
}

// packTable reads and checks a pack's table of contents.
func (r *Repo) packTable(ctx context.Context, name format.PackName, size int64, kind format.PackKind, entries int) (format.PackTable, error) {
	fail := func(err error) (format.PackTable, error) {
		return format.PackTable{}, &DamageError{Object: name.String(), Err: err}
	}
	tail := make([]byte, format.TableSize(kind, entries))
	if size < int64(format.PackHeaderSize+len(tail)) {
		return fail(format.ErrCorrupt)
	}
	header := make([]byte, format.PackHeaderSize)
	err := r.store.ReadAt(ctx, name.String(), header, 0)
	if err == nil {
		err = r.store.ReadAt(ctx, name.String(), tail, size-int64(len(tail)))
	}
	var t format.PackTable
	if err == nil {
		t, err = format.ParseTable(name, r.config.Repo, r.config.Grain, size, header, tail)
	}
	if damaged(err) {
		return fail(err)
	}
	return t, err
}

// RebuildIndex throws the index away and makes it again. It returns the number
// of packs that it has.
func (r *Repo) RebuildIndex(ctx context.Context) (packs int, err error) {
	r.mending.Lock()
	defer r.mending.Unlock()
	if err := r.currentIndex().Reset(ctx); err != nil {
		return 0, err
	}
	return r.mergeMissing(ctx)
}

// rebuildPause is how long a process waits before it rebuilds the index again:
// what a rebuild did not find is not there, and readers of it must not cause
// another one each.
const rebuildPause = 10 * time.Minute

// rebuild makes the index anew, unless this process did so just now.
func (r *Repo) rebuild(ctx context.Context) error {
	r.mending.Lock()
	defer r.mending.Unlock()
	return r.rebuildLocked(ctx)
}

func (r *Repo) rebuildLocked(ctx context.Context) error {
	if !r.rebuilt.IsZero() && time.Since(r.rebuilt) < rebuildPause {
		return nil
	}
	r.log.Warn("the index does not match the packs; it is rebuilt")
	r.rebuilt = time.Now()
	if err := r.currentIndex().Reset(ctx); err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	if _, err := r.mergeMissing(ctx); err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	return nil
}

// places finds where ids lie. Those that the index does not know are looked
// for in packs that it has not merged, then in an index that is made anew. What
// still has no place is not in the repository.
func (r *Repo) places(ctx context.Context, ids []format.ID, places []index.Place) error {
	if r.find(ctx, ids, places) {
		return nil
	}
	r.mending.Lock()
	defer r.mending.Unlock()
	// Another goroutine may have mended it while this one waited.
	if _, err := r.mergeMissing(ctx); err != nil {
		return err
	}
	if r.find(ctx, ids, places) {
		return nil
	}
	// A grain that no table has is lost; an index that lacks one which a table
	// has is wrong, and only then worth being made anew for everyone.
	if lies, err := r.tablesHave(ctx, ids, places); err != nil || !lies {
		return err
	}
	if err := r.rebuildLocked(ctx); err != nil {
		return err
	}
	r.find(ctx, ids, places)
	return ctx.Err()
}

// tablesHave tells whether a pack has one of the IDs that have no place. It
// reads all tables, at most once in rebuildPause.
func (r *Repo) tablesHave(ctx context.Context, ids []format.ID, places []index.Place) (bool, error) {
	if !r.searched.IsZero() && time.Since(r.searched) < rebuildPause {
		return false, nil
	}
	list, err := r.Generations(ctx)
	if err != nil {
		return false, err
	}
	wanted := map[format.ID]bool{}
	for i, p := range places {
		if p.IsZero() {
			wanted[ids[i]] = true
		}
	}
	for p := range list.packs() {
		t, err := r.packTable(ctx, p.PackName, int64(p.size), p.kind, p.entries)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			continue
		}
		if slices.ContainsFunc(t.Entries, func(e format.Entry) bool { return wanted[e.ID] }) {
			return true, nil
		}
	}
	r.searched = time.Now()
	return false, nil
}

// find looks ids up, and tells whether each has a place. An index that cannot
// be read knows none.
func (r *Repo) find(ctx context.Context, ids []format.ID, places []index.Place) (complete bool) {
	clear(places)
	if err := r.currentIndex().View(ctx, func(v *index.View) error { return v.Find(ids, places) }); err != nil {
		if ctx.Err() == nil {
			r.log.Warn("index cannot be read", "err", err)
		}
		return false
	}
	for i, p := range places {
		if p.IsZero() && !ids[i].IsZero() {
			return false
		}
	}
	return true
}
