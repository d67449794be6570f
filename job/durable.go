package job

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"granary/repo/storage"
)

// replaceFile gives the file path a new content, durably and at once: whoever
// reads it sees the old or the new one whole. A crash may leave a file named
// .new-* beside it.
func replaceFile(path string, perm fs.FileMode, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(fill(f, perm, data), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return storage.SyncDir(filepath.Dir(path))
}

func fill(f *os.File, perm fs.FileMode, data []byte) error {
	if err := f.Chmod(perm); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("fsync %s: %w", f.Name(), err)
	}
	return nil
}
