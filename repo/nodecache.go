package repo

import (
	"container/list"
	"context"
	"sync"

	"golang.org/x/sync/singleflight"

	"granary/index"
	"granary/repo/format"
)

// maxNodes bounds the nodes kept for readers. One is about 24 KiB with its
// places, and a leaf covers 16 MiB: the leaves of 8 GiB stay.
const maxNodes = 512

// branch is a node with the places of what its IDs name.
type branch struct {
	ids format.Node

	mu     sync.Mutex // held while the places are looked up
	places *[format.Fanout]index.Place
	bases  []index.Place // of the places that are patches; nil if none is
}

// nodeCache keeps the nodes used last.
type nodeCache struct {
	flight singleflight.Group

	mu    sync.Mutex // guards what follows
	byID  map[format.ID]*list.Element
	order *list.List // of *nodeEntry, last used first
}

type nodeEntry struct {
	id     format.ID
	branch *branch
}

func newNodeCache() *nodeCache {
	return &nodeCache{byID: map[format.ID]*list.Element{}, order: list.New()}
}

func (c *nodeCache) get(id format.ID) *branch {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*nodeEntry).branch
}

func (c *nodeCache) put(id format.ID, b *branch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok {
		return
	}
	c.byID[id] = c.order.PushFront(&nodeEntry{id, b})
	if c.order.Len() > maxNodes {
		last := c.order.Remove(c.order.Back()).(*nodeEntry)
		delete(c.byID, last.id)
	}
}

// drop forgets a node whose places have moved.
func (c *nodeCache) drop(id format.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.order.Remove(e)
		delete(c.byID, id)
	}
}

// resolve finds the places of a branch's IDs, all at once and, unless one is
// missing, only once. An ID without a place has the zero place. bases has the
// places of what patches apply to, and is nil where there are no patches.
func (b *branch) resolve(ctx context.Context, r *Repo) (found *[format.Fanout]index.Place, bases []index.Place, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.places == nil {
		var places [format.Fanout]index.Place
		if err := r.places(ctx, b.ids[:], places[:]); err != nil {
			return nil, nil, err
		}
		bases, err := r.basePlaces(ctx, places[:])
		if err != nil {
			return nil, nil, err
		}
		for i, p := range places {
			if p.IsZero() && !b.ids[i].IsZero() || p.IsPatch() && bases[i].IsZero() {
				return &places, bases, nil
			}
		}
		b.places, b.bases = &places, bases
	}
	return b.places, b.bases, nil
}

// node returns the node of the given ID, which covers grains grains of a file.
func (r *Repo) node(ctx context.Context, id format.ID, place index.Place, height int, grains int64) (*branch, error) {
	if b := r.nodes.get(id); b != nil {
		return b, nil
	}
	b, err, _ := r.nodes.flight.Do(string(id[:]), func() (any, error) {
		if place.IsZero() {
			return nil, r.noPlace(id)
		}
		plain, err := r.fetchOne(ctx, format.Nodes, &wanted{id: id, place: place})
		if err != nil {
			return nil, err
		}
		n, err := format.ParseNode(plain, height, grains)
		r.grains.buffers.put(plain)
		if err != nil {
			return nil, &DamageError{Object: place.Pack.String(), Grain: id, Err: err}
		}
		b := &branch{ids: *n}
		r.nodes.put(id, b)
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	return b.(*branch), nil
}
