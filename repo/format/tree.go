package format

import "fmt"

// Fanout is the number of IDs in a node.
const Fanout = 256

// NodeSize is the length of a node, in bytes.
const NodeSize = Fanout * 32

// MaxHeight is the greatest height of a file's tree that is accepted.
const MaxHeight = 6

// MaxFileSize is the size of the largest file, in bytes.
const MaxFileSize = 1 << 56

// Tree is the shape of a file of Size bytes cut into grains.
type Tree struct {
	Size  int64
	Grain int
}

// Grains is the number of grains, the last of which may be short.
func (t Tree) Grains() int64 {
	return (t.Size + int64(t.Grain) - 1) / int64(t.Grain)
}

// Height is the number of levels of nodes above the grains.
func (t Tree) Height() int {
	h := 0
	for span := int64(1); span < t.Grains(); span *= Fanout {
		h++
	}
	return h
}

// GrainLen is the length of grain i in bytes; short only for the last.
func (t Tree) GrainLen(i int64) int {
	return int(min(int64(t.Grain), t.Size-i*int64(t.Grain)))
}

// Span is the number of grains below one ID at the given height: 1 for a
// grain's own ID, Fanout for a leaf node's.
func Span(height int) int64 {
	span := int64(1)
	for range height {
		span *= Fanout
	}
	return span
}

// Node is a node's IDs, in the order of the file.
type Node [Fanout]ID

// AppendTo appends the node's bytes.
func (n *Node) AppendTo(b []byte) []byte {
	for i := range n {
		b = append(b, n[i][:]...)
	}
	return b
}

// IsZero tells whether the node covers holes only.
func (n *Node) IsZero() bool { return *n == Node{} }

// ParseNode decodes a node that covers grains grains of a file, at least one
// of them no hole; height is its own, 1 for a leaf.
func ParseNode(b []byte, height int, grains int64) (*Node, error) {
	if len(b) != NodeSize {
		return nil, fmt.Errorf("%w: node of %d bytes", ErrCorrupt, len(b))
	}
	var n Node
	for i := range n {
		copy(n[i][:], b[i*32:])
	}
	used := (grains + Span(height-1) - 1) / Span(height-1)
	for i := used; i < Fanout; i++ {
		if !n[i].IsZero() {
			return nil, fmt.Errorf("%w: node has IDs past the end of its file", ErrCorrupt)
		}
	}
	if n.IsZero() {
		return nil, fmt.Errorf("%w: node of holes", ErrCorrupt)
	}
	return &n, nil
}
