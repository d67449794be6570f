package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// tmpDir holds files on their way; whatever a crash leaves there is garbage.
const tmpDir = "tmp"

// Local keeps objects as files below a directory. Its zero value is not
// usable: see OpenLocal. It is safe for concurrent use.
type Local struct {
	dir string
}

// OpenLocal returns the objects below dir, which need not exist before the
// first Create.
func OpenLocal(dir string) *Local { return &Local{dir: dir} }

func (l *Local) String() string { return l.dir }

func (l *Local) path(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || name == tmpDir || strings.HasPrefix(name, tmpDir+"/") {
		return "", fmt.Errorf("object name %q is not valid", name)
	}
	return filepath.Join(l.dir, filepath.FromSlash(name)), nil
}

// Create stores parts, joined, as the object name: durable when it returns
// nil. It returns ErrExists, and changes nothing, if there is such an object.
func (l *Local) Create(ctx context.Context, name string, parts ...[]byte) error {
	file, err := l.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tmp := filepath.Join(l.dir, tmpDir)
	for _, dir := range []string{tmp, filepath.Dir(file)} {
		if err := MakeDirs(dir, 0o700); err != nil {
			return fmt.Errorf("create %s: %w", name, err)
		}
	}
	err = CreateFile(tmp, file, 0o600, parts...)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create %s: %w", name, ErrExists)
	}
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	return nil
}

// ReadAt fills p with the object's bytes from off. It returns ErrNotExist, or
// ErrShort when the object ends before p is full.
func (l *Local) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	f, err := l.open(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := f.ReadAt(p, off); n < len(p) {
		if errors.Is(err, io.EOF) {
			err = ErrShort
		}
		return fmt.Errorf("read %s at %d: %w", name, off, err)
	}
	return nil
}

func (l *Local) open(ctx context.Context, name string) (*os.File, error) {
	file, err := l.path(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", name, ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return f, nil
}

// Size is an object's length in bytes. It returns ErrNotExist.
func (l *Local) Size(ctx context.Context, name string) (int64, error) {
	f, err := l.open(ctx, name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("size of %s: %w", name, ErrNotExist)
	}
	return info.Size(), nil
}

// List calls fn with the name and size of each object whose name begins with
// prefix, a folder ending in a slash, in no promised order. Objects that come
// or go meanwhile may be missed or listed. An error of fn ends the listing.
func (l *Local) List(ctx context.Context, prefix string, fn func(name string, size int64) error) error {
	root, err := l.path(strings.TrimSuffix(prefix, "/"))
	if err != nil {
		return err
	}
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		return fn(path.Join(prefix, filepath.ToSlash(rel)), info.Size())
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	return nil
}

// Remove deletes an object, durably. One that is gone already is no error.
func (l *Local) Remove(ctx context.Context, name string) error {
	file, err := l.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	dir := filepath.Dir(file)
	if strings.Count(name, "/") > 1 && os.Remove(dir) == nil {
		dir = filepath.Dir(dir) // it was the last of its folder
	}
	if err := SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}
