//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Locks are the lock directories that a running machine holds beside its .vmx
// and its disks. They say nothing about whether it really runs: like VMware's,
// they survive a crash.
type Locks struct {
	pid  int
	held []string
}

// NewLocks returns no locks yet, for the process pid.
func NewLocks(pid int) *Locks { return &Locks{pid: pid} }

// Hold makes the lock directories those of the files given: new ones appear,
// those no longer needed go.
func (l *Locks) Hold(files []string) error {
	for _, file := range l.held {
		if !slices.Contains(files, file) {
			if err := os.RemoveAll(file + ".lck"); err != nil {
				return fmt.Errorf("unlock: %w", err)
			}
		}
	}
	for i, file := range files {
		if err := l.lock(file, i); err != nil {
			return fmt.Errorf("lock: %w", err)
		}
	}
	l.held = slices.Clone(files)
	return nil
}

func (l *Locks) lock(file string, number int) error {
	dir := file + ".lck"
	if slices.Contains(l.held, file) {
		return nil
	}
	// Whatever lies there is stale: the caller holds the machine.
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	member := fmt.Sprintf("M%05d.lck", (l.pid*31+number)%100000)
	text := fmt.Sprintf("564d2f62-7669-7274-7561-6c6d616368 %d-%d(vmware-vmx) 1 X lc=1\n", l.pid, number)
	return os.WriteFile(filepath.Join(dir, member), []byte(text), 0o644)
}

// Locked returns what a machine locks while it runs.
func (m *Machine) Locked() ([]string, error) {
	chain, err := m.Chain()
	if err != nil {
		return nil, err
	}
	return append([]string{m.path}, chain...), nil
}

// RemoveStaleLocks removes the lock directories of a machine that does not run.
func (m *Machine) RemoveStaleLocks() error {
	files, err := m.Locked()
	if errors.Is(err, fs.ErrNotExist) {
		files, err = []string{m.path}, nil
	}
	for _, file := range files {
		err = errors.Join(err, os.RemoveAll(file+".lck"))
	}
	return err
}
