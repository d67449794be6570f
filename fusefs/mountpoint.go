//go:build linux

package fusefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// checkMountPoint returns dir absolute and without symbolic links, or says why
// nothing should be mounted there.
func checkMountPoint(dir, repository string) (string, error) {
	point, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Before the first stat: the mount may be dead, or this process's own.
	if err := refuseMounted(point); err != nil {
		return "", err
	}
	point, err = filepath.EvalSymlinks(point)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
		return "", fmt.Errorf("%w: %s", ErrNoMountPoint, dir)
	case errors.Is(err, syscall.ENOTCONN):
		return "", fmt.Errorf("%s: the program that served the file system mounted there is gone: unmount it first (fusermount3 -u, or umount): %w", dir, err)
	case err != nil:
		return "", err
	}
	if err := refuseMounted(point); err != nil {
		return "", err
	}
	info, err := os.Stat(point)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%w: %s", ErrNoMountPoint, dir)
	}
	if err := refuseOverlap(point, info, repository); err != nil {
		return "", err
	}
	return point, refuseFull(point)
}

// refuseMounted refuses what is a granary mount or lies in one.
func refuseMounted(point string) error {
	table, err := mountTable()
	if err != nil {
		return err
	}
	for p := point; ; p = filepath.Dir(p) {
		if at(table, p).ours() {
			return fmt.Errorf("%s: %w; end it with granary umount", p, ErrMounted)
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}

// refuseOverlap refuses a mount point in the repository, where it would hide
// or be hidden, and one above it, where serving the mount would read the mount.
func refuseOverlap(point string, info os.FileInfo, repository string) error {
	if !filepath.IsAbs(repository) {
		return nil // on another machine
	}
	place, err := filepath.EvalSymlinks(repository)
	if err != nil {
		return fmt.Errorf("find repository: %w", err)
	}
	placeInfo, err := os.Stat(place)
	if err != nil {
		return fmt.Errorf("find repository: %w", err)
	}
	if within(point, placeInfo) || within(place, info) {
		return fmt.Errorf("%w: %s and %s", ErrOverlap, point, repository)
	}
	return nil
}

// within tells whether path is folder or lies in it. Folders are compared by
// what they are, since they have several names where one is mounted twice.
func within(path string, folder os.FileInfo) bool {
	for ; ; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, folder) {
			return true
		}
		if path == filepath.Dir(path) {
			return false
		}
	}
}

func refuseFull(point string) error {
	f, err := os.Open(point)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); !errors.Is(err, io.EOF) {
		if err == nil {
			err = ErrNotEmpty
		}
		return fmt.Errorf("%s: %w", point, err)
	}
	return nil
}
