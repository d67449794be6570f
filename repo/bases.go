package repo

import (
	"context"

	"granary/index"
	"granary/repo/format"
)

// base is a grain that another may be stored as a patch of.
type base struct {
	id    format.ID
	plain []byte
}

// bases reads, for the grains of a batch that have to be stored, those that the
// parent has at the same places: whole ones, or what these are patches of. A
// grain is left out where there is none or it cannot be read; it is then stored
// whole.
func (p *pipeline) bases(ctx context.Context, b *batch, missing []bool) (map[int]base, error) {
	var ids []format.ID
	var at []int
	for i, m := range missing {
		if m && i < len(b.old) && !b.old[i].IsZero() {
			ids, at = append(ids, b.old[i]), append(at, i)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	grains, err := p.writer.repo.locate(ctx, ids)
	if err != nil {
		p.writer.repo.log.Debug("the parent's grains are not found; their successors are stored whole", "file", p.in.Path, "err", err)
		return nil, ctx.Err()
	}
	n := 0
	for i, g := range grains {
		if g.place.IsPatch() {
			g = g.whole()
		}
		// One that is not there for good, or that is a patch itself, is no base.
		there := !g.place.IsZero() && !g.place.IsPatch() && int(g.place.Plain) == len(b.grain(at[i], p.tree.Grain))
		if there {
			if there, err = p.writer.known.exists(ctx, g.place.Pack); err != nil {
				return nil, err
			}
		}
		if there {
			grains[n], at[n] = g, at[i]
			n++
		}
	}
	bases := make([]base, n)
	p.writer.repo.fetch(ctx, format.Data, grains[:n], func(i int, plain []byte, err error) {
		if err != nil {
			p.writer.repo.log.Debug("a grain cannot be read; its successor is stored whole", "file", p.in.Path, "err", err)
			return
		}
		bases[i] = base{grains[i].id, plain}
	})
	found := make(map[int]base, n)
	for i, b := range bases {
		if b.plain != nil {
			found[at[i]] = b
		}
	}
	return found, ctx.Err()
}

// locate finds where grains lie, and where the bases of those lie that are
// patches.
func (r *Repo) locate(ctx context.Context, ids []format.ID) ([]wanted, error) {
	places := make([]index.Place, len(ids))
	if err := r.places(ctx, ids, places); err != nil {
		return nil, err
	}
	bases, err := r.basePlaces(ctx, places)
	if err != nil {
		return nil, err
	}
	grains := make([]wanted, len(ids))
	for i := range ids {
		grains[i] = grainAt(i, ids[i], places, bases)
	}
	return grains, nil
}

// basePlaces finds the bases of those places that are patches: nil if none is.
func (r *Repo) basePlaces(ctx context.Context, places []index.Place) ([]index.Place, error) {
	var ids []format.ID
	for i, p := range places {
		if p.IsPatch() {
			if ids == nil {
				ids = make([]format.ID, len(places))
			}
			ids[i] = p.Base
		}
	}
	if ids == nil {
		return nil, nil
	}
	bases := make([]index.Place, len(ids))
	return bases, r.places(ctx, ids, bases)
}
