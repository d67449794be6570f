package repo

import (
	"context"
	"sync"

	"granary/index"
	"granary/repo/format"
)

// knownGrains tells a session which grains it need not store: those that the
// index places in a pack of a committed session, and those that the session
// itself has taken on. A grain is taken on once, by whoever asks first.
//
// The packs of sessions that have not committed do not count: no manifest may
// ever name them, and they may be removed.
type knownGrains struct {
	repo *Repo

	mu    sync.Mutex // guards what follows
	taken map[format.ID]struct{}
	packs map[format.PackName]bool // whether a pack is there for good

	// parents are the generations that were there, and not forgotten, when the
	// session had begun. Of others a prune that does not know of the session
	// may have condemned the packs.
	parents map[format.SessionID]bool
	// distrust is set when a committed pack is missing or cut short: then
	// what a parent generation holds has to be looked up grain by grain.
	distrust bool
}

func (r *Repo) newKnownGrains(ctx context.Context) (*knownGrains, error) {
	k := &knownGrains{repo: r, taken: map[format.ID]struct{}{}, packs: map[format.PackName]bool{}, parents: map[format.SessionID]bool{}}
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	sizes, err := r.packSizes(ctx)
	if err != nil {
		return nil, err
	}
	for p := range list.packs() {
		size, there := sizes[p.PackName]
		k.packs[p.PackName] = there && size == int64(p.size)
		if !k.packs[p.PackName] {
			k.distrust = true
			r.log.Warn("a pack is missing or cut short; what it held is stored again where the VM still has it; run granary check", "pack", p.PackName)
		}
	}
	for _, g := range list.Generations {
		k.parents[g.Session] = true
	}
	r.mending.Lock()
	defer r.mending.Unlock()
	for _, p := range r.lost {
		k.packs[p], k.distrust = false, true
	}
	return k, nil
}

// trusts tells whether what a parent refers to is there, without a look at each
// grain.
func (k *knownGrains) trusts(p *ParentFile) bool {
	return p != nil && !k.distrust && k.parents[p.Generation.Session]
}

// take sets missing[i] where the caller has to store ids[i]: nobody has it,
// and nobody else was told to. Zero IDs are never missing.
func (k *knownGrains) take(ctx context.Context, ids []format.ID, missing []bool) error {
	if !k.claim(ids, missing) {
		return nil
	}
	asked := make([]format.ID, len(ids))
	for i, m := range missing {
		if m {
			asked[i] = ids[i]
		}
	}
	places, bases := make([]index.Place, len(ids)), make([]index.Place, len(ids))
	err := k.repo.currentIndex().View(ctx, func(v *index.View) error {
		if err := v.Find(asked, places); err != nil {
			return err
		}
		of := make([]format.ID, len(places))
		for i, p := range places {
			of[i] = p.Base
		}
		return v.Find(of, bases)
	})
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Without an index everything is stored again, and nothing lost.
		k.repo.log.Warn("index cannot be read; grains are stored again", "err", err)
		return nil
	}
	for i, p := range places {
		if p.IsZero() {
			continue
		}
		exists, err := k.exists(ctx, p.Pack)
		if base := bases[i]; err == nil && exists && p.IsPatch() {
			exists = !base.IsZero() && !base.IsPatch()
			if exists {
				exists, err = k.exists(ctx, base.Pack)
			}
		}
		if err != nil {
			return err
		}
		if exists {
			missing[i] = false
			k.release(ids[i])
		}
	}
	return nil
}

// claim marks the IDs that nobody took, and tells whether there are any.
func (k *knownGrains) claim(ids []format.ID, missing []bool) (any bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, id := range ids {
		missing[i] = false
		if id.IsZero() {
			continue
		}
		if _, taken := k.taken[id]; !taken {
			k.taken[id] = struct{}{}
			missing[i], any = true, true
		}
	}
	return any
}

func (k *knownGrains) release(id format.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.taken, id)
}

// forget drops grains that the index knows by now.
func (k *knownGrains) forget(tables []format.PackTable) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range tables {
		k.packs[t.Name] = true
		for _, e := range t.Entries {
			delete(k.taken, e.ID)
		}
	}
}

// exists tells whether a pack is there and its session has committed. Packs
// that came after the session began are asked for once.
func (k *knownGrains) exists(ctx context.Context, p format.PackName) (bool, error) {
	k.mu.Lock()
	exists, known := k.packs[p]
	k.mu.Unlock()
	if known {
		return exists, nil
	}
	m, err := k.repo.readManifest(ctx, p.Session)
	if err == nil && m != nil {
		_, err = k.repo.store.Size(ctx, p.String())
	}
	if err != nil && !damaged(err) {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.packs[p] = err == nil && m != nil
	return k.packs[p], nil
}
