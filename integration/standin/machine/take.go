//go:build linux

package machine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Live is the running guest of a machine.
type Live interface {
	// Freeze closes the disks, with all that was written on them.
	Freeze(ctx context.Context) error
	// Thaw opens the disks given and goes on.
	Thaw(ctx context.Context, disks []string) error
}

// Operation is how a snapshot is taken or deleted.
type Operation struct {
	Guest     Live         // nil for a machine that is off
	Midway    func() error // called half-way; an error ends the operation there
	KeepDelta bool         // a delete leaves the .vmx on a (new) redo disk
}

func (o Operation) midway() error {
	if o.Midway == nil {
		return nil
	}
	return o.Midway()
}

// hold freezes the guest, if any, and returns the function that lets it go on
// with the disks that the .vmx names then.
func (m *Machine) hold(ctx context.Context, o Operation) (release func() error, err error) {
	if o.Guest == nil {
		return func() error { return nil }, nil
	}
	if err := o.Guest.Freeze(ctx); err != nil {
		return nil, err
	}
	return func() error {
		// What the .vmx says counts, not what an operation that failed intended.
		if err := m.reload(); err != nil {
			return err
		}
		return o.Guest.Thaw(context.WithoutCancel(ctx), m.DiskPaths())
	}, nil
}

// Take makes a snapshot called name: every disk that is not independent is
// frozen and the machine goes on with a redo disk above it. Half-way means that
// the redo disks exist and nothing names them.
func (m *Machine) Take(ctx context.Context, name string, o Operation) (err error) {
	var covered []Disk
	for _, disk := range m.Disks() {
		if !disk.Independent {
			covered = append(covered, disk)
		} else if o.Guest != nil {
			return fmt.Errorf("%s: %w", disk.Name, ErrIndependentDisk)
		}
	}
	snapshots, err := m.readSnapshots()
	if err != nil {
		return err
	}
	release, err := m.hold(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()

	for _, disk := range covered {
		delta := nextDelta(disk.Path)
		if err := m.tool.createDelta(ctx, disk.Path, delta); err != nil {
			return err
		}
		m.config.Set(disk.Node+".fileName", m.renamed(disk.Name, delta))
	}
	if err := o.midway(); err != nil {
		return err
	}
	snapshots.lastUID++
	state := fmt.Sprintf("%s-Snapshot%d.vmsn", m.Stem(), snapshots.lastUID)
	if err := m.writeState(state, o.Guest != nil); err != nil {
		return err
	}
	snapshots.list = append(snapshots.list,
		newSnapshot(snapshots.lastUID, snapshots.current, name, state, time.Now(), covered))
	snapshots.current = strconv.Itoa(snapshots.lastUID)
	return m.carryOut(journal{Write: []file{
		{m.vmsdPath(), snapshots.encode()},
		{m.path, m.config.Bytes()},
	}})
}

// renamed returns how the .vmx names the disk at path that takes the place of
// the one it calls name: absolute if that was.
func (m *Machine) renamed(name, path string) string {
	if filepath.IsAbs(name) {
		return path
	}
	return filepath.Join(filepath.Dir(name), filepath.Base(path))
}

// stateMagic begins VMware's state files.
const stateMagic = 0xbed2bed2

// writeState writes the snapshot's state file, and its memory if it has any.
func (m *Machine) writeState(name string, memory bool) error {
	data := binary.LittleEndian.AppendUint32(nil, stateMagic)
	data = append(data, m.config.Bytes()...)
	path := m.resolve(name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if !memory {
		return nil
	}
	return WriteMemory(strings.TrimSuffix(path, ".vmsn") + ".vmem")
}

// WriteMemory writes a file that stands for the memory of a machine.
func WriteMemory(path string) error {
	data := make([]byte, 256<<10)
	for i := range data {
		data[i] = byte(i >> 12)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write memory: %w", err)
	}
	return nil
}
