package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"granary/repo/format"
)

// lockMember matches what VMware puts into a lock folder: M is held by a
// running VM, D and E by who waits for it.
var lockMember = regexp.MustCompile(`^[MDE][0-9]{5}\.lck$`)

// proveOff fails with ErrRunning unless nothing speaks for a VM that runs: no
// lock folder with members beside its files, and, where the system can tell,
// no process that has one of its disks open for writing.
func (p *Plan) proveOff() error {
	for _, f := range p.Files {
		locked, err := lockedBy(f.Source)
		if err != nil {
			return err
		}
		if locked != "" {
			return &runningError{fmt.Sprintf("%s is locked by %s", f.Source, locked),
				"stop the VM, or use --driver vmrun; if it certainly is off everywhere, VMware left the lock behind: remove " + f.Source + ".lck"}
		}
		if f.Role != format.RoleDisk {
			continue
		}
		open, err := openForWriting(f.Source)
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

// lockedBy names a member of a file's lock folder.
func lockedBy(path string) (string, error) {
	entries, err := os.ReadDir(path + ".lck")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if info, statErr := os.Stat(path + ".lck"); err != nil && statErr == nil && !info.IsDir() {
		return path + ".lck", nil // old products lock with a file
	}
	if err != nil {
		return "", fmt.Errorf("look for locks: %w", err)
	}
	for _, e := range entries {
		if lockMember.MatchString(e.Name()) {
			return path + ".lck/" + e.Name(), nil
		}
	}
	return "", nil
}

// runningError is ErrRunning with its evidence.
type runningError struct{ evidence, hint string }

func (e *runningError) Error() string { return ErrRunning.Error() + ": " + e.evidence }
func (e *runningError) Unwrap() error { return ErrRunning }
func (e *runningError) Hint() string  { return e.hint }
