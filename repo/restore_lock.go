package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"syscall"
)

// ErrInUse means that a VM may run whose files were to be rewritten.
var ErrInUse = errors.New("virtual machine is in use")

// lockMember matches what VMware puts into a lock folder: M is held by a
// running VM, D and E by who waits for it.
var lockMember = regexp.MustCompile(`^[MDE][0-9]{5}\.lck$`)

// mayRewrite refuses the files of a VM that runs, and what is no file. Any file
// of the VM may be the one that tells: a running VM locks its .vmx and the
// descriptors of its disks, not their extents.
func mayRewrite(root *os.Root, g *Generation, paths []string) error {
	for _, file := range g.Files {
		held, err := lockOf(root, file.Path)
		if err != nil && slices.Contains(paths, file.Path) {
			return fmt.Errorf("restore %q in place: look for locks: %w", file.Path, err)
		}
		if held != "" {
			return fmt.Errorf("restore in place in %s: %w: %q is locked by %q", root.Name(), ErrInUse, file.Path, held)
		}
	}
	for _, p := range paths {
		now, err := whatLies(root, p)
		if err == nil && now != "" {
			err = provenUnused(root, now)
		}
		if err != nil {
			return fmt.Errorf("restore %q in place in %s: %w", p, root.Name(), err)
		}
	}
	return nil
}

// lockOf names what locks a file: a member of its lock folder, or a file, as
// old products have it.
func lockOf(root *os.Root, name string) (string, error) {
	lock := name + ".lck"
	info, err := root.Lstat(lock)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return lock, nil
	}
	folder, err := root.Open(lock)
	if err != nil {
		return "", err
	}
	defer folder.Close()
	members, err := folder.ReadDir(-1)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if lockMember.MatchString(m.Name()) {
			return lock + "/" + m.Name(), nil
		}
	}
	return "", nil
}

// provenUnused fails with ErrInUse if a process is known to have a file open
// for writing.
func provenUnused(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	open, err := openForWriting(f)
	if err == nil && open {
		err = fmt.Errorf("%w: a process has it open for writing", ErrInUse)
	}
	return err
}
