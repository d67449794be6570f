//go:build linux

package machine

import (
	"path/filepath"
	"slices"
)

// diskTree maps each disk that a machine knows, by its snapshots or as a parent
// of another, to its parent: "" for one that stands alone.
type diskTree map[string]string

func (m *Machine) diskTree(l *snapshotList) (diskTree, error) {
	tree := diskTree{}
	for _, path := range m.inUse(l, nil) {
		for path != "" {
			if _, known := tree[path]; known {
				break
			}
			d, err := readDescriptor(path)
			if err != nil {
				return nil, err
			}
			tree[path] = d.parentPath()
			path = tree[path]
		}
	}
	return tree, nil
}

// inUse returns the machine's disks and those that its snapshots froze, but for
// those of one snapshot.
func (m *Machine) inUse(l *snapshotList, but *Snapshot) []string {
	disks := m.DiskPaths()
	for _, s := range l.list {
		if s == but {
			continue
		}
		for _, name := range s.frozen() {
			disks = append(disks, m.resolve(name))
		}
	}
	return disks
}

// children returns the disks whose parent is the disk at path.
func (t diskTree) children(path string) []string {
	var children []string
	for child, parent := range t {
		if parent == path {
			children = append(children, child)
		}
	}
	slices.Sort(children)
	return children
}

// lonely returns the disk at path if nothing stands on it, and those below it
// that stand for nothing else, down to one in use. Disks of other directories
// may have children that are not known here, and one without a parent holds what
// no other does: both stay.
func (t diskTree) lonely(path string, inUse []string) []string {
	var lonely []string
	dir, standing := filepath.Dir(path), 0
	for t[path] != "" && filepath.Dir(path) == dir && len(t.children(path)) == standing && !slices.Contains(inUse, path) {
		lonely = append(lonely, path)
		path, standing = t[path], 1
	}
	return lonely
}
