package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"granary/repo/direct"
)

// CreateFile makes the file path with the given content, durably and at once:
// it is written and fsynced without a name, or under a passing one, in tmp, a
// folder of the same file system, then linked to path, and path's folder is
// fsynced. A path that exists is left alone, and gives fs.ErrExist. After any
// error but a failed last fsync, path does not exist because of this call.
func CreateFile(tmp, path string, perm fs.FileMode, parts ...[]byte) (err error) {
	f, err := createPassing(tmp)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.discard()) }()
	if err := fill(f.File, perm, parts); err != nil {
		return err
	}
	if err := f.link(path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// passing is a file that has no name yet that counts.
type passing struct {
	*os.File
	// link names it, unless the name is taken: link(2) refuses to replace
	// where rename(2) does not.
	link func(path string) error
	// discard closes it and removes what is left of it in tmp.
	discard func() error
}

// createNamed makes a passing file with a name in tmp, which a crash leaves.
func createNamed(tmp string) (*passing, error) {
	f, err := os.CreateTemp(tmp, "new-*")
	if err != nil {
		return nil, err
	}
	return &passing{
		File:    f,
		link:    func(path string) error { return os.Link(f.Name(), path) },
		discard: func() error { return errors.Join(f.Close(), os.Remove(f.Name())) },
	}, nil
}

// largePart is from how many bytes on a part is written past the page cache.
const largePart = 256 << 10

func fill(f *os.File, perm fs.FileMode, parts [][]byte) error {
	if err := f.Chmod(perm); err != nil {
		return err
	}
	for _, p := range parts {
		write := f.Write
		if len(p) >= largePart {
			write = func(p []byte) (int, error) { return direct.Write(f, p) }
		}
		if _, err := write(p); err != nil {
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
		// Once: behind a link that leads nowhere it fails for ever.
		if err := os.Mkdir(dir, perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return SyncDir(filepath.Dir(dir))
	}
	return err
}
