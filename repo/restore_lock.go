package repo

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"granary/repo/inuse"
)

// ErrInUse means that a VM may run whose files were to be rewritten.
var ErrInUse = errors.New("virtual machine is in use")

// mayRewrite refuses the files of a VM that runs, and what is no file. Any file
// of the VM may be the one that tells: a running VM locks its .vmx and the
// descriptors of its disks, not their extents.
func mayRewrite(root *os.Root, g *Generation, paths []string) error {
	for _, file := range g.Files {
		held, err := inuse.LockOf(root, file.Path)
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

// provenUnused fails with ErrInUse if a process is known to have a file open
// for writing.
func provenUnused(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	open, err := inuse.ForWriting(f)
	if err == nil && open {
		err = fmt.Errorf("%w: a process has it open for writing", ErrInUse)
	}
	return err
}
