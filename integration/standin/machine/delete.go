//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Delete removes the snapshot called name by merging the disks above it into
// those that it froze, and its descendants with it if children is set. Half-way
// means that one disk is merged; the snapshot is still listed then.
func (m *Machine) Delete(ctx context.Context, name string, children bool, o Operation) (err error) {
	snapshots, err := m.readSnapshots()
	if err != nil {
		return err
	}
	target, err := snapshots.find(name)
	if err != nil {
		return err
	}
	doomed := []*Snapshot{target}
	if children {
		for _, node := range snapshots.below(target.UID(), 0) {
			doomed = append(doomed, node.Snapshot)
		}
	}
	release, err := m.hold(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	for _, s := range slices.Backward(doomed) {
		if err := m.deleteOne(ctx, snapshots, s, o); err != nil {
			return err
		}
	}
	return nil
}

// merge is a disk that goes into its parent.
type merge struct {
	child, parent string
	name          string // of the parent, as .vmsd and .vmx have it
}

func (m *Machine) deleteOne(ctx context.Context, l *snapshotList, doomed *Snapshot, o Operation) error {
	merges, err := m.planMerges(l, doomed)
	if err != nil {
		return err
	}
	// A parent that is written to gets a new CID, and its child is unreadable
	// until it has learnt that.
	var undo journal
	for _, g := range merges {
		undo.Reparent = append(undo.Reparent, link{g.child, g.parent})
	}
	if err := m.begin(undo); err != nil {
		return err
	}
	for i, g := range merges {
		err := m.tool.mergeDelta(ctx, g.child)
		if err == nil && i == 0 {
			err = o.midway()
		}
		if err != nil {
			return errors.Join(err, m.Recover())
		}
	}
	done, err := m.afterMerge(ctx, l, doomed, merges, o.KeepDelta)
	if err != nil {
		return errors.Join(err, m.Recover())
	}
	return m.carryOut(done)
}

// planMerges finds, for each disk that doomed froze, the one disk above it.
func (m *Machine) planMerges(l *snapshotList, doomed *Snapshot) ([]merge, error) {
	var merges []merge
	for _, name := range doomed.frozen() {
		base := m.resolve(name)
		children, err := m.childrenOf(l, base)
		if err != nil {
			return nil, err
		}
		d, err := readDescriptor(base)
		if err != nil {
			return nil, err
		}
		if len(children) > 1 || d.field("createType") == "streamOptimized" {
			return nil, fmt.Errorf("%s: %w", name, ErrUnsupported)
		}
		if len(children) == 1 {
			merges = append(merges, merge{child: children[0], parent: base, name: name})
		}
	}
	return merges, nil
}

// childrenOf returns the disks of the machine whose parent is the disk at path.
func (m *Machine) childrenOf(l *snapshotList, path string) ([]string, error) {
	candidates := m.DiskPaths()
	for _, s := range l.list {
		for _, name := range s.frozen() {
			candidates = append(candidates, m.resolve(name))
		}
	}
	slices.Sort(candidates)
	var children []string
	for _, candidate := range slices.Compact(candidates) {
		d, err := readDescriptor(candidate)
		if err != nil {
			return nil, err
		}
		if d.parentPath() == path {
			children = append(children, candidate)
		}
	}
	return children, nil
}

// afterMerge returns what is to be done once every merge has been made: disks
// above the merged ones move down, .vmx and .vmsd name the parents, and the
// merged disks and the snapshot's state go.
func (m *Machine) afterMerge(ctx context.Context, l *snapshotList, doomed *Snapshot, merges []merge, keepDelta bool) (journal, error) {
	var j journal
	for _, g := range merges {
		above, err := m.childrenOf(l, g.child)
		if err != nil {
			return j, err
		}
		for _, disk := range above {
			j.Reparent = append(j.Reparent, link{disk, g.parent})
		}
		files, err := diskFiles(g.child)
		if err != nil {
			return j, err
		}
		j.Remove = append(j.Remove, files...)
		if err := m.moveDown(ctx, l, g, keepDelta); err != nil {
			return j, err
		}
	}
	state := m.resolve(doomed.get("filename"))
	j.Remove = append(j.Remove, state, strings.TrimSuffix(state, ".vmsn")+".vmem")
	l.drop(doomed)
	j.Write = []file{{m.vmsdPath(), l.encode()}, {m.path, m.config.Bytes()}}
	return j, nil
}

// moveDown makes everything that names the merged child name its parent.
func (m *Machine) moveDown(ctx context.Context, l *snapshotList, g merge, keepDelta bool) error {
	for _, s := range l.list {
		for i, p := range s.pairs {
			if frozenKey.MatchString(p.name) && m.resolve(p.value) == g.child {
				s.pairs[i].value = g.name
			}
		}
	}
	for _, disk := range m.Disks() {
		if disk.Path != g.child {
			continue
		}
		name := g.name
		if keepDelta {
			delta := nextDelta(g.child)
			if err := m.tool.createDelta(ctx, g.parent, delta); err != nil {
				return err
			}
			name = m.renamed(disk.Name, delta)
		}
		m.config.Set(disk.Node+".fileName", name)
	}
	return nil
}

// drop takes s out of the list; its children become those of its parent.
func (l *snapshotList) drop(s *Snapshot) {
	l.list = slices.DeleteFunc(l.list, func(other *Snapshot) bool { return other == s })
	for _, child := range l.list {
		if child.Parent() != s.UID() {
			continue
		}
		child.pairs = slices.DeleteFunc(child.pairs, func(p pair) bool { return p.name == "parent" })
		if s.Parent() != "" {
			child.set("parent", s.Parent())
		}
	}
	if l.current == s.UID() {
		l.current = s.Parent()
	}
}
