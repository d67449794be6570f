package repo

import (
	"container/list"
	"sync"

	"granary/repo/format"
)

// grainCache keeps decoded grains, those used last, within a bound. A grain
// that is being fetched is in it already, so that others wait for it instead
// of fetching it again.
type grainCache struct {
	limit int64

	mu    sync.Mutex // guards what follows
	byID  map[format.ID]*cachedGrain
	order *list.List // of *cachedGrain that are there, last used first
	used  int64
}

// cachedGrain is a grain that is there once ready is closed.
type cachedGrain struct {
	id    format.ID
	ready chan struct{}
	plain []byte // never written to once ready
	err   error
	at    *list.Element // nil until it is there; guarded by the cache's mu
}

func newGrainCache(limit int64) *grainCache {
	return &grainCache{limit: limit, byID: map[format.ID]*cachedGrain{}, order: list.New()}
}

// claim returns the cache's entries for the grains of ids that are no holes,
// and appends to mine the indexes of those that the caller has to fetch and
// settle.
func (c *grainCache) claim(ids []format.ID, entries []*cachedGrain, mine []int) []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, id := range ids {
		entries[i] = nil
		if id.IsZero() {
			continue
		}
		g, ok := c.byID[id]
		if !ok {
			g = &cachedGrain{id: id, ready: make(chan struct{})}
			c.byID[id] = g
			mine = append(mine, i)
		} else if g.at != nil {
			c.order.MoveToFront(g.at)
		}
		entries[i] = g
	}
	return mine
}

// settle gives a claimed grain its bytes, or its error. Errors are not kept.
func (c *grainCache) settle(g *cachedGrain, plain []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g.plain, g.err = plain, err
	close(g.ready)
	if err != nil {
		delete(c.byID, g.id)
		return
	}
	g.at = c.order.PushFront(g)
	c.used += int64(len(plain))
	for c.used > c.limit && c.order.Len() > 1 {
		last := c.order.Remove(c.order.Back()).(*cachedGrain)
		delete(c.byID, last.id)
		c.used -= int64(len(last.plain))
	}
}
