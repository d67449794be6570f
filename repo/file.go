package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"granary/index"
	"granary/repo/format"
)

// File reads a file of a generation. It holds no cursor and no lock, and is
// safe for concurrent use; it needs no closing.
type File struct {
	repo  *Repo
	of    *Generation
	entry *format.File
	tree  format.Tree

	// For the guess whether a reader is sequential.
	end   atomic.Int64 // where the last read ended
	ahead atomic.Int64 // up to where read-ahead was begun
}

// OpenFile opens a file of a generation. It returns ErrNotFound.
func (r *Repo) OpenFile(g *Generation, path string) (*File, error) {
	f := g.File(path)
	if f == nil {
		return nil, fmt.Errorf("file %q of %s: %w", path, g, ErrNotFound)
	}
	if t := (format.Tree{Size: f.Size, Grain: r.config.Grain}); t.Height() > format.MaxHeight {
		return nil, &DamageError{Object: format.ManifestName(g.Session), Generation: g.String(), File: path, Err: format.ErrCorrupt}
	}
	return r.newFile(g, f), nil
}

func (r *Repo) newFile(g *Generation, f *format.File) *File {
	return &File{repo: r, of: g, entry: f, tree: format.Tree{Size: f.Size, Grain: r.config.Grain}}
}

// Size is the file's length in bytes.
func (f *File) Size() int64 { return f.tree.Size }

// ReadAt is io.ReaderAt. Holes read as zeros. Damage gives a DamageError.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	s, err := f.Stretch(off, len(p))
	defer s.Release()
	n := 0
	for _, part := range s.Parts {
		n += copy(p[n:], part)
	}
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// load makes sure that n grains of one leaf are on their way, fetching those
// that nobody fetches. Entries are nil for holes; the caller releases them. scan
// is as in grainCache.claim.
func (f *File) load(ctx context.Context, first int64, n int, scan bool) ([]*cachedGrain, error) {
	b, err := f.leaf(ctx, first)
	entries := make([]*cachedGrain, n)
	if err != nil || b == nil {
		return entries, err
	}
	at := int(first % format.Fanout)
	ids := b.ids[at : at+n]
	mine := f.repo.grains.claim(ids, scan, entries, nil)
	if len(mine) == 0 {
		return entries, nil
	}
	places, bases, err := b.resolve(ctx, f.repo)
	if err != nil {
		for _, i := range mine {
			f.repo.grains.settle(entries[i], nil, err)
		}
		f.repo.grains.release(entries)
		return nil, err
	}
	grains := make([]wanted, 0, len(mine))
	claimed := make([]*cachedGrain, 0, len(mine))
	for _, i := range mine {
		if places[at+i].IsZero() {
			f.repo.grains.settle(entries[i], nil, f.repo.noPlace(ids[i]))
			continue
		}
		grains = append(grains, grainAt(at+i, ids[i], places[:], bases))
		claimed = append(claimed, entries[i])
	}
	f.fetchOfLeaf(ctx, first, grains, func(i int, plain []byte, err error) { f.repo.grains.settle(claimed[i], plain, err) })
	return entries, nil
}

// fetchOfLeaf fetches grains of the leaf that covers the grain first.
func (f *File) fetchOfLeaf(ctx context.Context, first int64, grains []wanted, got func(i int, plain []byte, err error)) {
	was := slices.Clone(grains)
	f.repo.fetch(ctx, format.Data, grains, func(i int, plain []byte, err error) {
		if err != nil || grains[i] != was[i] {
			// The next reader must not go by these places.
			f.forgetLeaf(ctx, first)
		}
		got(i, plain, err)
	})
}

// leaf returns the leaf node over a grain, nil where all of it is a hole. A
// file of one grain has a leaf made up for it.
func (f *File) leaf(ctx context.Context, grain int64) (*branch, error) {
	b, _, _, err := f.walk(ctx, grain, 1)
	return b, err
}

// walk descends to the leaf over a grain, and gives its ID and the first grain
// past it. Where a subtree is a hole, the leaf is nil and the end is that of
// the subtree. leaves is how many are fetched at once if this one has to be:
// more than 1 for who goes on to the next.
func (f *File) walk(ctx context.Context, grain int64, leaves int) (b *branch, id format.ID, end int64, err error) {
	id, end = f.entry.Root, f.tree.Grains()
	height := f.tree.Height()
	if id.IsZero() || height == 0 {
		if !id.IsZero() {
			b = &branch{ids: format.Node{id}}
		}
		return b, id, end, nil
	}
	base := int64(0) // first grain below the node
	for parent := (*branch)(nil); ; parent = b {
		if b = f.repo.nodes.get(id); b == nil && height == 1 && leaves > 1 && parent != nil {
			f.fetchLeaves(ctx, parent, base, leaves)
			b = f.repo.nodes.get(id)
		}
		if b == nil {
			place, err := f.placeOf(ctx, parent, id)
			if err != nil {
				return nil, id, end, err
			}
			if b, err = f.repo.node(ctx, id, place, height, end-base); err != nil {
				return nil, id, end, err
			}
		}
		if height == 1 {
			return b, id, end, nil
		}
		height--
		span := format.Span(height)
		i := (grain - base) / span
		base += i * span
		end = min(end, base+span)
		if id = b.ids[i]; id.IsZero() {
			return nil, id, end, nil
		}
	}
}

// fetchLeaves fetches leaves below one parent: the one that covers the grains
// from first on, and those after it. Whoever needs one that cannot be had learns
// why then.
func (f *File) fetchLeaves(ctx context.Context, parent *branch, first int64, leaves int) {
	places, _, err := parent.resolve(ctx, f.repo)
	if err != nil {
		return
	}
	var grains []wanted
	var covered []int64
	from := first / format.Fanout % format.Fanout
	for i := from; i < min(from+int64(leaves), format.Fanout); i++ {
		if id := parent.ids[i]; !id.IsZero() && !places[i].IsZero() && f.repo.nodes.get(id) == nil {
			grains = append(grains, wanted{id: id, place: places[i]})
			covered = append(covered, f.tree.Grains()-first-(i-from)*format.Fanout)
		}
	}
	if len(grains) == 0 {
		return
	}
	f.repo.fetch(ctx, format.Nodes, grains, func(i int, plain []byte, err error) {
		if err != nil {
			return
		}
		if n, err := format.ParseNode(plain, 1, min(covered[i], format.Fanout)); err == nil {
			f.repo.nodes.put(grains[i].id, &branch{ids: *n})
		}
		f.repo.grains.buffers.put(plain)
	})
}

// placeOf finds a node among its siblings, which are looked up with it.
func (f *File) placeOf(ctx context.Context, parent *branch, id format.ID) (index.Place, error) {
	if parent == nil {
		place := make([]index.Place, 1)
		err := f.repo.places(ctx, []format.ID{id}, place)
		return place[0], err
	}
	places, _, err := parent.resolve(ctx, f.repo)
	if err != nil {
		return index.Place{}, err
	}
	for i := range parent.ids {
		if parent.ids[i] == id {
			return places[i], nil
		}
	}
	return index.Place{}, nil
}

func (f *File) forgetLeaf(ctx context.Context, grain int64) {
	if _, id, _, err := f.walk(ctx, grain, 1); err == nil {
		f.repo.nodes.drop(id)
	}
}

// idsAt returns the IDs of n grains of one leaf, fewer at the file's end, for
// who goes through the file.
func (f *File) idsAt(ctx context.Context, first int64, n int) ([]format.ID, error) {
	n = int(min(int64(n), f.tree.Grains()-first))
	if n <= 0 {
		return nil, nil
	}
	b, _, _, err := f.walk(ctx, first, leavesAtOnce)
	if err != nil || b == nil {
		return make([]format.ID, n), err
	}
	at := first % format.Fanout
	return b.ids[at : at+int64(n)], nil
}

// locate adds to damage where in the file it is.
func (f *File) locate(err error, off int64) error {
	var damage *DamageError
	if !errors.As(err, &damage) {
		if !damaged(err) {
			return fmt.Errorf("read %s/%s at byte %d: %w", f.of, f.entry.Path, off, err)
		}
		damage = &DamageError{Object: "a grain", Err: err}
	}
	located := *damage
	located.Generation, located.File, located.Offset = f.of.String(), f.entry.Path, off
	return &located
}

// NextData is DataFinder: the first run of grains at or after off that are no
// holes, as byte offsets. It returns io.EOF when only holes follow.
func (f *File) NextData(off int64) (start, end int64, err error) {
	grain := int64(f.tree.Grain)
	first, err := f.seek(off/grain, false)
	if err != nil {
		return 0, 0, f.locate(err, off)
	}
	if first >= f.tree.Grains() || off >= f.tree.Size {
		return 0, 0, io.EOF
	}
	last, err := f.seek(first+1, true)
	if err != nil {
		return 0, 0, f.locate(err, off)
	}
	return max(off, first*grain), min(last*grain, f.tree.Size), nil
}

// leavesAtOnce is how many leaves are fetched at once by who looks at all of
// them: those of 1 GiB at 64 KiB a grain.
const leavesAtOnce = 64

// seek returns the first grain at or after from that is a hole, or is none;
// past the last grain if there is no such.
func (f *File) seek(from int64, hole bool) (int64, error) {
	for from < f.tree.Grains() {
		b, _, end, err := f.walk(f.repo.life, from, leavesAtOnce)
		if err != nil {
			return 0, err
		}
		if b == nil && hole {
			return from, nil
		}
		for ; b != nil && from < end; from++ {
			if b.ids[from%format.Fanout].IsZero() == hole {
				return from, nil
			}
		}
		from = end
	}
	return from, nil
}
