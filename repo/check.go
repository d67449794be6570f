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

// CheckOptions say how much to verify.
type CheckOptions struct {
	// ReadData reads and verifies each grain, not only the structure.
	ReadData bool
	// Progress, if not nil, is told of stored bytes that were verified, from
	// any goroutine, out of the total that Expect was told of.
	Progress func(bytes int64)
	Expect   func(total int64)
}

// CheckReport is what a check found.
type CheckReport struct {
	Generations  int
	Packs        int
	Grains       int64
	ReadBytes    int64 // stored bytes read and verified
	IndexRebuilt bool  // the index disagreed with the packs
	// Unreferenced packs belong to no generation: a writer died, or works.
	Unreferenced      int
	UnreferencedBytes int64
	// Damage lists what is lost, at most maxDamage of DamageCount entries.
	Damage      []error
	DamageCount int
}

// maxDamage bounds the list of a report.
const maxDamage = 1000

// check is one run of Check.
type check struct {
	repo    *Repo
	options CheckOptions
	report  *CheckReport

	mu    sync.Mutex // guards what follows, and the report
	bad   map[format.ID]error
	whole map[format.PackName]bool // packs whose table was read

	sound map[soundTree]struct{} // trees found whole
}

// soundTree is a node of a height: bytes that are a sound leaf are no sound
// inner node.
type soundTree struct {
	id     format.ID
	height int
}

// Check verifies that each generation can be read back: that manifests and
// forget records parse, packs are there and whole, and each reference resolves;
// with ReadData that each grain's bytes match their ID. Of forgotten generations
// it verifies the packs that are there. Damage is in the report, not an error.
//
// Memory: 100 bytes for each distinct node (one in 16 MiB of data).
func (r *Repo) Check(ctx context.Context, options CheckOptions) (*CheckReport, error) {
	c := &check{repo: r, options: options, report: &CheckReport{}, bad: map[format.ID]error{},
		whole: map[format.PackName]bool{}, sound: map[soundTree]struct{}{}}
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	for _, err := range list.Damaged {
		c.damage(err)
	}
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	c.report.Generations = len(list.Generations)
	if err := c.packs(ctx, list); err != nil {
		return nil, err
	}
	if c.report.IndexRebuilt {
		if _, err := r.RebuildIndex(ctx); err != nil {
			return nil, err
		}
	}
	for _, g := range list.Generations {
		for i := range g.Files {
			if err := c.file(ctx, r.newFile(g, &g.Files[i])); err != nil {
				return nil, err
			}
		}
	}
	return c.report, nil
}

func (c *check) damage(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.DamageCount++
	if len(c.report.Damage) < maxDamage {
		c.report.Damage = append(c.report.Damage, err)
	}
}

// packs verifies each pack that a manifest names, and counts the others.
func (c *check) packs(ctx context.Context, list *Listing) error {
	sizes, err := c.repo.packSizes(ctx)
	if err != nil {
		return err
	}
	total := int64(0)
	for p := range list.packs() {
		total += int64(p.size)
	}
	forgotten := map[format.SessionID]bool{}
	for _, g := range list.forgotten {
		forgotten[g.Session] = true
	}
	if c.options.Expect != nil && c.options.ReadData {
		c.options.Expect(total)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0) + 1)
	for p := range list.packs() {
		size, there := sizes[p.PackName]
		delete(sizes, p.PackName)
		if !there && forgotten[p.Session] {
			c.broken(p.PackName) // a file that needs it is found by its tree
			continue
		}
		g.Go(func() error { return c.pack(ctx, p, size, there) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, size := range sizes {
		c.report.Unreferenced++
		c.report.UnreferencedBytes += size
	}
	return nil
}

func (c *check) pack(ctx context.Context, p sizedPack, size int64, there bool) error {
	lost := func(why string) error {
		c.broken(p.PackName)
		c.damage(&DamageError{Object: p.String(), Err: fmt.Errorf("%w: %s", format.ErrCorrupt, why)})
		return nil
	}
	if !there {
		return lost("pack is missing")
	}
	if size != int64(p.size) {
		return lost(fmt.Sprintf("pack has %d bytes, not %d", size, p.size))
	}
	t, err := c.repo.packTable(ctx, p.PackName, size, p.kind, p.entries)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.broken(p.PackName)
		c.damage(err)
		return nil
	}
	if t.Kind != p.kind {
		return lost("pack is of another kind than its manifest says")
	}
	places := index.Places(t)
	if err := c.compareIndex(ctx, t, places); err != nil {
		return err
	}
	if c.options.ReadData {
		if err := c.readPack(ctx, t, places); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole[t.Name] = true
	c.report.Packs++
	c.report.Grains += int64(len(t.Entries))
	return nil
}

func (c *check) broken(p format.PackName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole[p] = false
}

// compareIndex notes whether the index knows each grain of a pack, and, where
// it names this pack, the right place in it.
func (c *check) compareIndex(ctx context.Context, t format.PackTable, places []index.Place) error {
	ids := make([]format.ID, len(t.Entries))
	for i, e := range t.Entries {
		ids[i] = e.ID
	}
	found := make([]index.Place, len(ids))
	err := c.repo.currentIndex().View(ctx, func(v *index.View) error { return v.Find(ids, found) })
	wrong := err != nil
	for i, f := range found {
		wrong = wrong || f.IsZero() || f.Pack == t.Name && f != places[i]
		if !wrong && f.Pack != t.Name {
			whole, err := c.packIsWhole(ctx, f.Pack)
			wrong = err != nil || !whole
		}
	}
	if wrong {
		c.mu.Lock()
		c.report.IndexRebuilt = true
		c.mu.Unlock()
	}
	return ctx.Err()
}

// patchesAtOnce bounds the bases in memory: patches are small, bases are not.
const patchesAtOnce = 64

// readPack verifies each grain's bytes.
func (c *check) readPack(ctx context.Context, t format.PackTable, places []index.Place) error {
	bases, err := c.repo.basePlaces(ctx, places)
	if err != nil {
		return err
	}
	grains := make([]wanted, len(places))
	for i := range places {
		grains[i] = grainAt(i, t.Entries[i].ID, places, bases)
	}
	for from := 0; from < len(grains); {
		to := runEnd(grains, from)
		if t.Kind == format.Patches {
			to = min(to, from+patchesAtOnce)
		}
		if err := c.readRun(ctx, t.Kind, grains[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// readRun verifies the grains of a run.
func (c *check) readRun(ctx context.Context, kind format.PackKind, run []wanted) error {
	stored, err := c.repo.readRun(ctx, run)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		for _, w := range run {
			c.badGrain(w, err)
		}
		return nil
	}
	defer stored.release()
	bases := c.repo.fetchBases(ctx, run)
	for i, w := range run {
		base, err := bases[i], error(nil)
		if base == nil {
			base, err = c.repo.readBase(ctx, w)
		}
		var plain []byte
		if err == nil {
			plain, err = c.repo.decode(kind, w, stored.of(w), base)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.badGrain(w, err)
		}
		c.repo.grains.buffers.put(plain)
	}
	c.read(int64(len(stored.bytes)))
	return nil
}

func (c *check) badGrain(w wanted, err error) {
	damage := damageOf(w, err)
	c.damage(damage)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad[w.id] = damage
}

func (c *check) read(bytes int64) {
	if c.options.Progress != nil {
		c.options.Progress(bytes)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.ReadBytes += bytes
}

// file walks a file's tree. A subtree that was found whole is not walked
// again; a damaged one is, so that each file that it hits is named.
func (c *check) file(ctx context.Context, f *File) error {
	if f.tree.Height() > format.MaxHeight {
		c.damage(f.locate(&DamageError{Object: format.ManifestName(f.of.Session), Err: format.ErrCorrupt}, 0))
		return nil
	}
	root, err := c.repo.locate(ctx, []format.ID{f.entry.Root})
	if err != nil {
		return err
	}
	_, err = c.tree(ctx, f, root[0], f.tree.Height(), 0)
	return err
}

// tree verifies the tree of a height that covers the grains from first on.
func (c *check) tree(ctx context.Context, f *File, w wanted, height int, first int64) (sound bool, err error) {
	id, place := w.id, w.place
	if id.IsZero() {
		return true, nil
	}
	fail := func(why error) (bool, error) {
		c.damage(f.locate(why, first*int64(f.tree.Grain)))
		return false, nil
	}
	if place.IsPatch() && height == 0 {
		if w.base.IsZero() {
			return fail(c.repo.noPlace(place.Base))
		}
		if err := w.soundBase(); err != nil {
			return fail(damageOf(w, err))
		}
		if sound, err := c.tree(ctx, f, w.whole(), height, first); !sound || err != nil {
			return false, err
		}
	}
	if place.IsZero() {
		return fail(c.repo.noPlace(id))
	}
	if err := c.bad[id]; err != nil {
		return fail(err)
	}
	if whole, err := c.packIsWhole(ctx, place.Pack); err != nil {
		return false, err
	} else if !whole {
		return fail(&DamageError{Object: place.Pack.String(), Grain: id, Err: fmt.Errorf("%w: its pack is missing or damaged", format.ErrCorrupt)})
	}
	if height == 0 {
		if int(place.Plain) != f.tree.GrainLen(first) {
			return fail(&DamageError{Object: place.Pack.String(), Grain: id, Err: fmt.Errorf("%w: wrong length", format.ErrCorrupt)})
		}
		return true, nil
	}
	if _, done := c.sound[soundTree{id, height}]; done {
		return true, nil
	}
	b, err := c.repo.node(ctx, id, place, height, min(f.tree.Grains()-first, format.Span(height)))
	var damage *DamageError
	if errors.As(err, &damage) {
		return fail(damage)
	}
	if err != nil {
		return false, err
	}
	places, bases, err := b.resolve(ctx, c.repo)
	if err != nil {
		return false, err
	}
	sound = true
	for i := range b.ids {
		w := grainAt(i, b.ids[i], places[:], bases)
		whole, err := c.tree(ctx, f, w, height-1, first+int64(i)*format.Span(height-1))
		if err != nil {
			return false, err
		}
		sound = sound && whole
	}
	if sound {
		c.sound[soundTree{id, height}] = struct{}{}
	}
	return sound, nil
}

// packIsWhole tells whether a pack's table could be read. The index may place a
// grain in a pack that was written after this check began.
func (c *check) packIsWhole(ctx context.Context, name format.PackName) (bool, error) {
	c.mu.Lock()
	whole, known := c.whole[name]
	c.mu.Unlock()
	if known {
		return whole, nil
	}
	_, _, err := c.repo.readTable(ctx, name)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole[name] = err == nil
	return err == nil, nil
}
