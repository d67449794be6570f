package repo

import (
	"bytes"
	"sync"
	"testing"

	"granary/repo/format"
)

// cached is a cache of grains of 16 KiB with room for so many.
func cached(grains int) *grainCache {
	return newGrainCache(int64(grains*format.MinGrain), format.MinGrain)
}

// readCached reads grain n through the cache, and tells whether it was there.
func readCached(t *testing.T, c *grainCache, n int, scan bool) (hit bool) {
	t.Helper()
	id := format.ID{byte(n), byte(n >> 8), 1}
	entries := make([]*cachedGrain, 1)
	mine := c.claim([]format.ID{id}, scan, entries, nil)
	if len(mine) > 0 {
		plain := c.buffers.get(format.MinGrain)
		for i := range plain {
			plain[i] = byte(n)
		}
		c.settle(entries[0], plain, nil)
	}
	<-entries[0].ready
	if !bytes.Equal(entries[0].plain, bytes.Repeat([]byte{byte(n)}, format.MinGrain)) {
		t.Errorf("grain %d has other bytes", n)
	}
	c.release(entries)
	return len(mine) == 0
}

// Who goes through a whole disk does not wash out what others come back to, nor
// does who reads here and there, once.
func TestScanLeavesWhatIsReadAgain(t *testing.T) {
	for _, scan := range []bool{true, false} {
		c := cached(16)
		for range 2 {
			for n := range 8 {
				readCached(t, c, n, false)
			}
		}
		for n := 100; n < 400; n++ {
			readCached(t, c, n, scan)
		}
		for n := range 8 {
			if !readCached(t, c, n, false) {
				t.Errorf("scan %v: grain %d is gone", scan, n)
			}
		}
	}
}

// Without others a scan has all the room, and what was read last stays.
func TestCacheIsAsLargeAsItsBound(t *testing.T) {
	c := cached(16)
	for n := range 100 {
		readCached(t, c, n, true)
	}
	for n := 84; n < 100; n++ {
		if !readCached(t, c, n, true) {
			t.Errorf("grain %d is gone", n)
		}
	}
	if readCached(t, c, 83, true) {
		t.Error("grain 83 is there, past the bound")
	}
	// What is hot gives way to what is hot now.
	for n := range 200 {
		readCached(t, c, n, false)
		readCached(t, c, n, false)
	}
	if used := c.recent.bytes + c.hot.bytes; used > c.limit || len(c.byID) != 16 {
		t.Errorf("%d bytes of %d used by %d grains", used, c.limit, len(c.byID))
	}
}

// The memory of a grain is used again once nobody holds it, and not before.
func TestPinnedGrainsKeepTheirBytes(t *testing.T) {
	c := cached(4)
	held := make([]*cachedGrain, 1)
	if mine := c.claim([]format.ID{{9, 9}}, true, held, nil); len(mine) != 1 {
		t.Fatal("an empty cache has a grain")
	}
	c.settle(held[0], bytes.Repeat([]byte{'h'}, format.MinGrain), nil)
	var readers sync.WaitGroup
	for r := range 4 {
		readers.Go(func() {
			for n := range 500 {
				readCached(t, c, (n*7+r)%40, n%3 == 0)
			}
		})
	}
	readers.Wait()
	if c.byID[format.ID{9, 9}] != nil {
		t.Error("it is still in the cache: nothing is proved")
	}
	if !bytes.Equal(held[0].plain, bytes.Repeat([]byte{'h'}, format.MinGrain)) {
		t.Error("a grain that is held has lost its bytes")
	}
	c.release(held)
	if held[0].plain != nil {
		t.Error("a grain that nobody holds has kept its memory")
	}
}

// A grain that could not be had is not kept, and asked for again.
func TestErrorsAreNotCached(t *testing.T) {
	c := cached(4)
	entries := make([]*cachedGrain, 1)
	c.claim([]format.ID{{1, 0, 1}}, false, entries, nil)
	c.settle(entries[0], nil, format.ErrCorrupt)
	c.release(entries)
	if readCached(t, c, 1, false) {
		t.Error("the error was kept")
	}
}
