package repo

import (
	"context"

	"granary/repo/format"
)

// treeBuilder makes a file's tree from the IDs of its grains, given in rising
// order. Holes are left out: what it costs follows the data, not the size.
type treeBuilder struct {
	levels []treeLevel
	root   format.ID // where the tree has no nodes
	put    func(context.Context, *format.Node) (format.ID, error)
}

// treeLevel is the node that is being filled at one height.
type treeLevel struct {
	node  format.Node
	index int64 // which node of its level, from the left
	used  bool
}

func newTreeBuilder(tree format.Tree, put func(context.Context, *format.Node) (format.ID, error)) *treeBuilder {
	return &treeBuilder{levels: make([]treeLevel, tree.Height()), put: put}
}

// set gives the i-th ID of a level, where level 0 takes the grains' IDs.
func (b *treeBuilder) set(ctx context.Context, level int, i int64, id format.ID) error {
	if id.IsZero() {
		return nil
	}
	if level == len(b.levels) {
		b.root = id
		return nil
	}
	l := &b.levels[level]
	if l.used && l.index != i/format.Fanout {
		if err := b.flush(ctx, level); err != nil {
			return err
		}
	}
	l.used, l.index = true, i/format.Fanout
	l.node[i%format.Fanout] = id
	return nil
}

func (b *treeBuilder) flush(ctx context.Context, level int) error {
	l := &b.levels[level]
	if !l.used {
		return nil
	}
	id, err := b.put(ctx, &l.node)
	if err != nil {
		return err
	}
	l.used, l.node = false, format.Node{}
	return b.set(ctx, level+1, l.index, id)
}

// finish returns the root.
func (b *treeBuilder) finish(ctx context.Context) (format.ID, error) {
	for level := range b.levels {
		if err := b.flush(ctx, level); err != nil {
			return format.ID{}, err
		}
	}
	return b.root, nil
}
