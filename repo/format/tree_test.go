package format

import (
	"bytes"
	"testing"
)

func TestTreeShapes(t *testing.T) {
	const gib, tib = 1 << 30, 1 << 40
	for _, c := range []struct {
		size   int64
		grain  int
		grains int64
		height int
		last   int // bytes in the last grain
	}{
		{0, DefaultGrain, 0, 0, 0},
		{1, DefaultGrain, 1, 0, 1},
		{65536, DefaultGrain, 1, 0, 65536},
		{65537, DefaultGrain, 2, 1, 1},
		{16 << 20, DefaultGrain, 256, 1, 65536},
		{16<<20 + 1, DefaultGrain, 257, 2, 1},
		{4 * gib, DefaultGrain, 65536, 2, 65536},
		{4*gib + 512, DefaultGrain, 65537, 3, 512},
		{tib, DefaultGrain, 1 << 24, 3, 65536},
		{tib + 1, DefaultGrain, 1<<24 + 1, 4, 1},
		{256 * tib, DefaultGrain, 1 << 32, 4, 65536},
		{256*tib + 1, DefaultGrain, 1<<32 + 1, 5, 1},
		{MaxFileSize, MinGrain, 1 << 42, 6, MinGrain},
		{MaxFileSize, MaxGrain, 1 << 36, 5, MaxGrain},
	} {
		tree := Tree{Size: c.size, Grain: c.grain}
		if tree.Grains() != c.grains || tree.Height() != c.height {
			t.Errorf("%d bytes in grains of %d: %d grains, height %d; want %d, %d", c.size, c.grain, tree.Grains(), tree.Height(), c.grains, c.height)
		}
		if c.grains > 0 && tree.GrainLen(c.grains-1) != c.last {
			t.Errorf("%d bytes: the last grain has %d, want %d", c.size, tree.GrainLen(c.grains-1), c.last)
		}
		if c.grains > 1 && tree.GrainLen(0) != c.grain {
			t.Errorf("%d bytes: the first grain has %d", c.size, tree.GrainLen(0))
		}
		if c.height > MaxHeight || Span(c.height) < c.grains || c.height > 0 && Span(c.height-1) >= c.grains {
			t.Errorf("%d bytes: height %d is not the least", c.size, c.height)
		}
	}
}

// nodeWith is a node with IDs at the given places.
func nodeWith(at ...int) []byte {
	var n Node
	for _, i := range at {
		n[i] = ID{1}
	}
	return n.AppendTo(nil)
}

func TestNodeRefusals(t *testing.T) {
	for _, c := range []struct {
		what   string
		node   []byte
		height int
		grains int64
		ok     bool
	}{
		{"a full leaf", nodeWith(0, 255), 1, 256, true},
		{"a leaf of one grain", nodeWith(0), 1, 1, true},
		{"an ID past the end of a leaf", nodeWith(0, 1), 1, 1, false},
		{"the last ID of a leaf past the end", nodeWith(0, 255), 1, 255, false},
		{"an inner node over a part of its second leaf", nodeWith(1), 2, 257, true},
		{"an ID past the end of an inner node", nodeWith(0, 2), 2, 512, false},
		{"the highest root", nodeWith(0, 3), MaxHeight, 4 << 40, true},
		{"an ID past the end of the highest root", nodeWith(4), MaxHeight, 4 << 40, false},
		{"a node of holes", nodeWith(), 1, 256, false},
		{"no bytes", nil, 1, 256, false},
		{"a byte too few", nodeWith(0)[:NodeSize-1], 1, 256, false},
		{"a byte too many", append(nodeWith(0), 0), 1, 256, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			n, err := ParseNode(c.node, c.height, c.grains)
			switch {
			case !c.ok:
				refused(t, err, ErrCorrupt)
			case err != nil:
				t.Error(err)
			case !bytes.Equal(n.AppendTo(nil), c.node):
				t.Error("encodes to other bytes")
			}
		})
	}
}

// A guest that writes a node's bytes into its disk makes no node.
func TestIDsTellNodesFromData(t *testing.T) {
	h := NewHasher()
	node := nodeWith(0)
	if h.ID(Data, node) == h.ID(Nodes, node) {
		t.Error("the same bytes have one ID as data and as a node")
	}
	if first, second := h.ID(Data, []byte("x")), h.ID(Data, []byte("x")); first != second || first != NewHasher().ID(Data, []byte("x")) {
		t.Error("a hasher that was used gives other IDs")
	}
	for _, kind := range []PackKind{Data, Nodes} {
		for _, n := range []int{0, 1, NodeSize, MaxGrain, 2*MaxGrain + 1} {
			if id := h.ID(kind, make([]byte, n)); !id.IsZero() {
				t.Errorf("%d zeros have the ID %s", n, id)
			}
		}
		for _, at := range []int{0, MaxGrain - 1, MaxGrain, 2 * MaxGrain} {
			b := make([]byte, 2*MaxGrain+1)
			b[at] = 1
			if h.ID(kind, b).IsZero() {
				t.Errorf("bytes with a 1 at %d have the zero ID", at)
			}
		}
	}
}

func TestSessionIDs(t *testing.T) {
	if a, b := NewSessionID(), NewSessionID(); a == b || a == (SessionID{}) {
		t.Errorf("sessions %s and %s", a, b)
	}
	const good = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	if s, err := ParseSessionID(good); err != nil || s != sampleSession || s.String() != good {
		t.Errorf("%s is %v, %v", good, s, err)
	}
	for _, bad := range []string{"", "0", good[1:], good + "0", "0F" + good[2:], "0g" + good[2:], " " + good[1:], "../" + good[3:], good[:31] + "\n"} {
		if s, err := ParseSessionID(bad); err == nil {
			t.Errorf("%q is session %s", bad, s)
		}
	}
}
