//go:build linux

package main

import (
	"maps"
	"slices"

	"granary/repo/format"
)

// tree is a disk: the IDs of its grains, of the nodes above them, and so on up
// to the root.
type tree struct {
	levels [][]format.ID
	dirty  []map[int]bool // by level: the nodes that have to be made again
	hasher *format.Hasher
}

func newTree(grains int) *tree {
	t := &tree{levels: [][]format.ID{make([]format.ID, grains)}, hasher: format.NewHasher()}
	for n := grains; n > 1; {
		n = (n + format.Fanout - 1) / format.Fanout
		t.levels = append(t.levels, make([]format.ID, n))
	}
	for range t.levels {
		t.dirty = append(t.dirty, map[int]bool{})
	}
	return t
}

// set changes a grain.
func (t *tree) set(i int, id format.ID) {
	t.levels[0][i] = id
	if len(t.levels) > 1 {
		t.dirty[1][i/format.Fanout] = true
	}
}

// update makes the nodes above what was set, stores them, and returns the root.
func (t *tree) update(store func(format.ID, []byte) error) (format.ID, error) {
	for level := 1; level < len(t.levels); level++ {
		for _, i := range slices.Sorted(maps.Keys(t.dirty[level])) {
			var n format.Node
			copy(n[:], t.levels[level-1][i*format.Fanout:])
			plain := n.AppendTo(nil)
			id := t.hasher.ID(format.Nodes, plain)
			if err := store(id, plain); err != nil {
				return id, err
			}
			t.levels[level][i] = id
			if level+1 < len(t.levels) {
				t.dirty[level+1][i/format.Fanout] = true
			}
		}
		clear(t.dirty[level])
	}
	return t.levels[len(t.levels)-1][0], nil
}
