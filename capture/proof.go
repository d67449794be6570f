package capture

import (
	"fmt"

	"granary/repo/format"
	"granary/repo/inuse"
)

// proveOff fails with ErrRunning unless nothing speaks for a VM that runs: no
// lock folder with members beside its files, and, where the system can tell,
// no process that has one of its disks open for writing.
func (p *Plan) proveOff() error {
	for _, f := range p.Files {
		locked, err := inuse.LockOf(inuse.Host{}, f.Source)
		if err != nil {
			return fmt.Errorf("look for locks: %w", err)
		}
		if locked != "" {
			return &runningError{fmt.Sprintf("%s is locked by %s", f.Source, locked),
				"stop the VM, or use --driver vmrun; if it certainly is off everywhere, VMware left the lock behind: remove " + f.Source + ".lck"}
		}
		if f.Role != format.RoleDisk {
			continue
		}
		open, err := f.openForWriting()
		if err != nil {
			return err
		}
		if open {
			return &runningError{fmt.Sprintf("a process has %s open for writing", f.Source),
				"stop the VM, or use --driver vmrun; fuser " + f.Source + " names the process"}
		}
	}
	return nil
}

// openForWriting tells whether a process is known to have a file open for writing.
func (p PlannedFile) openForWriting() (bool, error) {
	f, err := openRegular(p.Source)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return inuse.ForWriting(f)
}

// runningError is ErrRunning with its evidence.
type runningError struct{ evidence, hint string }

func (e *runningError) Error() string { return ErrRunning.Error() + ": " + e.evidence }
func (e *runningError) Unwrap() error { return ErrRunning }
func (e *runningError) Hint() string  { return e.hint }
