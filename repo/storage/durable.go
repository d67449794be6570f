package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CreateFile makes the file path with the given content, durably and at once:
// it is written and fsynced under a passing name in tmp, a folder of the same
// file system, then linked to path, and path's folder is fsynced. A path that
// exists is left alone, and gives fs.ErrExist. After any error but a failed
// last fsync, path does not exist because of this call.
func CreateFile(tmp, path string, perm fs.FileMode, parts ...[]byte) (err error) {
	f, err := os.CreateTemp(tmp, "new-*")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.Remove(f.Name()))
	}()
	if err := fill(f, perm, parts); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	// link(2), not rename(2): it refuses to replace.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

func fill(f *os.File, perm fs.FileMode, parts [][]byte) error {
	if err := f.Chmod(perm); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("fsync %s: %w", f.Name(), err)
	}
	return nil
}

// MakeDirs makes dir and its missing parents, and fsyncs each folder that
// gained an entry, so that what is made durable inside stays reachable.
func MakeDirs(dir string, perm fs.FileMode) error {
	err := os.Mkdir(dir, perm)
	switch {
	case err == nil:
		return SyncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir:
		if err := MakeDirs(filepath.Dir(dir), perm); err != nil {
			return err
		}
		return MakeDirs(dir, perm)
	}
	return err
}
