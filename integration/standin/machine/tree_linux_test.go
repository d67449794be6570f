package machine

import (
	"slices"
	"testing"
)

// Only disks go that nothing else can stand on.
func TestLonelyDisks(t *testing.T) {
	for about, c := range map[string]struct {
		tree  diskTree
		inUse []string
		want  []string
	}{
		"down to one in use":          {diskTree{"/a/3": "/a/2", "/a/2": "/a/1", "/a/1": "/a/0", "/a/0": ""}, []string{"/a/1"}, []string{"/a/3", "/a/2"}},
		"down to the base":            {diskTree{"/a/3": "/a/2", "/a/2": "/a/0", "/a/0": ""}, nil, []string{"/a/3", "/a/2"}},
		"down to a fork":              {diskTree{"/a/3": "/a/2", "/a/2": "/a/0", "/a/4": "/a/2", "/a/0": ""}, nil, []string{"/a/3"}},
		"down to another's directory": {diskTree{"/a/3": "/b/2", "/b/2": "/b/0", "/b/0": ""}, nil, []string{"/a/3"}},
		"none, it is in use":          {diskTree{"/a/3": "/a/0", "/a/0": ""}, []string{"/a/3"}, nil},
		"none, it has a child":        {diskTree{"/a/3": "/a/2", "/a/2": "/a/0", "/a/4": "/a/3", "/a/0": ""}, nil, nil},
		"none, it is a base":          {diskTree{"/a/3": ""}, nil, nil},
	} {
		if got := c.tree.lonely("/a/3", c.inUse); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", about, got, c.want)
		}
	}
}
