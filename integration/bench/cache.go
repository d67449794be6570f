//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// coldStart makes all that follows come from the disk, with memory at hand for
// it. A virtual machine may have given memory that lay free back to its host,
// from where each page comes back more slowly than a disk reads it: so the page
// cache is filled once, with the disk at path, before it is dropped.
func coldStart(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("fill the page cache: %w", err)
	}
	return dropCaches()
}

// dropCaches writes what is dirty and lets go of the page cache, directory
// entries and inodes.
func dropCaches() error {
	unix.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0); err != nil {
		return fmt.Errorf("drop caches: %w", err)
	}
	return nil
}

// syncFilesystem waits until everything is written on the file system that
// holds path.
func syncFilesystem(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
