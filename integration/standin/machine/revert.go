//go:build linux

package machine

import (
	"context"
	"fmt"
)

// Revert makes the machine, which must be off, what it was when the snapshot called
// name was taken: it goes on with new redo disks above those that the snapshot
// froze, and the next snapshot begins a branch there. What was written since the
// newest snapshot is lost. Half-way means that the redo disks exist and nothing
// names them.
func (m *Machine) Revert(ctx context.Context, name string, o Operation) error {
	snapshots, err := m.readSnapshots()
	if err != nil {
		return err
	}
	target, err := snapshots.find(name)
	if err != nil {
		return err
	}
	tree, err := m.diskTree(snapshots)
	if err != nil {
		return err
	}
	abandoned, err := m.returnTo(ctx, target)
	if err != nil {
		return err
	}
	if err := o.midway(); err != nil {
		return err
	}
	snapshots.current = target.UID()
	j := journal{Write: []file{{m.vmsdPath(), snapshots.encode()}, {m.path, m.config.Bytes()}}}
	for _, disk := range abandoned {
		for _, unused := range tree.lonely(disk, m.inUse(snapshots, nil)) {
			files, err := diskFiles(unused)
			if err != nil {
				return err
			}
			j.Remove = append(j.Remove, files...)
		}
	}
	return m.carryOut(j)
}

// returnTo puts a redo disk above each disk that s froze into the .vmx, and
// returns the disks that were in their place.
func (m *Machine) returnTo(ctx context.Context, s *Snapshot) (abandoned []string, err error) {
	for i := 0; ; i++ {
		name, node := s.get(fmt.Sprintf("disk%d.fileName", i)), s.get(fmt.Sprintf("disk%d.node", i))
		if name == "" {
			return abandoned, nil
		}
		base := m.resolve(name)
		delta := nextDelta(base)
		if err := m.tool.createDelta(ctx, base, delta); err != nil {
			return nil, err
		}
		abandoned = append(abandoned, m.resolve(m.config.Get(node+".fileName")))
		m.config.Set(node+".fileName", m.renamed(name, delta))
	}
}
