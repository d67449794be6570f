package repo

import (
	"container/list"
	"sync"

	"granary/repo/format"
)

// grainCache keeps decoded grains within a bound: those that readers came back
// to, and besides them those that were read last. A reader that goes through a
// whole disk comes back to none, so it does not wash out the others. A grain that
// is being fetched is in the cache already, so that others wait for it instead of
// fetching it again.
//
// Whoever gets a grain has it pinned, and releases it: only then its memory is
// used again.
type grainCache struct {
	limit   int64
	buffers grainBuffers

	mu     sync.Mutex // guards what follows
	byID   map[format.ID]*cachedGrain
	recent grainQueue // read once
	hot    grainQueue // read again
}

// cachedGrain is a grain that is there once ready is closed.
type cachedGrain struct {
	id    format.ID
	ready chan struct{}
	plain []byte // never written to once ready
	err   error

	// Guarded by the cache's mu.
	pins int
	in   *grainQueue   // nil until it is there, and once it has to go
	at   *list.Element // in it
}

// grainQueue holds grains, those used last first.
type grainQueue struct {
	order list.List // of *cachedGrain
	bytes int64
}

func (q *grainQueue) push(g *cachedGrain) {
	g.in, g.at = q, q.order.PushFront(g)
	q.bytes += int64(len(g.plain))
}

func (q *grainQueue) remove(g *cachedGrain) {
	q.order.Remove(g.at)
	q.bytes -= int64(len(g.plain))
	g.in, g.at = nil, nil
}

func (q *grainQueue) last() *cachedGrain { return q.order.Back().Value.(*cachedGrain) }

func newGrainCache(limit int64, grain int) *grainCache {
	return &grainCache{limit: limit, buffers: newGrainBuffers(grain), byID: map[format.ID]*cachedGrain{}}
}

// claim returns the cache's entries for the grains of ids that are no holes,
// pinned, and appends to mine the indexes of those that the caller has to fetch
// and settle. scan says that the reader goes through the file and does not come
// back.
func (c *grainCache) claim(ids []format.ID, scan bool, entries []*cachedGrain, mine []int) []int {
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
		} else if q := g.in; q != nil && !scan {
			q.remove(g)
			c.hot.push(g)
		}
		g.pins++
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
	c.recent.push(g)
	for c.recent.bytes+c.hot.bytes > c.limit && len(c.byID) > 1 {
		// What was read once gives way first, but for a share that lets it be
		// read again in time.
		from := &c.recent
		if c.recent.bytes <= c.limit/4 && c.hot.order.Len() > 0 || c.recent.order.Len() == 1 {
			from = &c.hot
		}
		if from.order.Len() == 0 {
			return
		}
		g := from.last()
		from.remove(g)
		delete(c.byID, g.id)
		c.dropped(g)
	}
}

// release gives grains back that claim has pinned; nil ones are passed over.
func (c *grainCache) release(entries []*cachedGrain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range entries {
		if g != nil {
			g.pins--
			c.dropped(g)
		}
	}
}

// dropped takes back the memory of a grain that is in no queue and that nobody
// has pinned.
func (c *grainCache) dropped(g *cachedGrain) {
	if g.in == nil && g.pins == 0 && g.plain != nil {
		c.buffers.put(g.plain)
		g.plain = nil
	}
}
