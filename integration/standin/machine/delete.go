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
// those that it froze, and its descendants with it if children is set. Where
// branches stand on such a disk it stays, now without a name; where nothing does
// it goes. Half-way means that one disk is merged, or that all is checked if
// there is none to merge; the snapshot is still listed then.
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
	p, err := m.planDelete(l, doomed)
	if err != nil {
		return err
	}
	// A parent that is written to gets a new CID, and its child is unreadable
	// until it has learnt that.
	var undo journal
	for _, g := range p.merges {
		undo.Reparent = append(undo.Reparent, link{g.child, g.parent})
	}
	if err := m.begin(undo); err != nil {
		return err
	}
	if len(p.merges) == 0 {
		if err := o.midway(); err != nil {
			return errors.Join(err, m.Recover())
		}
	}
	for i, g := range p.merges {
		err := m.tool.mergeDelta(ctx, g.child)
		if err == nil && i == 0 {
			err = o.midway()
		}
		if err != nil {
			return errors.Join(err, m.Recover())
		}
	}
	done, err := m.afterMerge(ctx, l, doomed, p, o.KeepDelta)
	if err != nil {
		return errors.Join(err, m.Recover())
	}
	return m.carryOut(done)
}

// deletion is what becomes of the disks that a snapshot froze.
type deletion struct {
	merges []merge
	unused []string // disks that nothing stands on
}

func (m *Machine) planDelete(l *snapshotList, doomed *Snapshot) (deletion, error) {
	var p deletion
	tree, err := m.diskTree(l)
	if err != nil {
		return p, err
	}
	for _, name := range doomed.frozen() {
		base := m.resolve(name)
		children := tree.children(base)
		switch {
		case len(children) > 1: // branches: it stays
		case len(children) == 0:
			p.unused = append(p.unused, tree.lonely(base, m.inUse(l, doomed))...)
		default:
			d, err := readDescriptor(base)
			if err != nil {
				return p, err
			}
			if d.field("createType") == "streamOptimized" {
				return p, fmt.Errorf("%s: %w", name, ErrUnsupported)
			}
			p.merges = append(p.merges, merge{child: children[0], parent: base, name: name})
		}
	}
	return p, nil
}

// afterMerge returns what is to be done once every merge has been made: disks
// above the merged ones move down, .vmx and .vmsd name the parents, and the
// merged disks and the snapshot's state go.
func (m *Machine) afterMerge(ctx context.Context, l *snapshotList, doomed *Snapshot, p deletion, keepDelta bool) (journal, error) {
	var j journal
	tree, err := m.diskTree(l)
	if err != nil {
		return j, err
	}
	for _, g := range p.merges {
		for _, disk := range tree.children(g.child) {
			j.Reparent = append(j.Reparent, link{disk, g.parent})
		}
		if err := m.moveDown(ctx, l, g, keepDelta); err != nil {
			return j, err
		}
		p.unused = append(p.unused, g.child)
	}
	for _, disk := range p.unused {
		files, err := diskFiles(disk)
		if err != nil {
			return j, err
		}
		j.Remove = append(j.Remove, files...)
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
