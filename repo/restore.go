package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"granary/repo/format"
	"granary/repo/storage"
)

// maxName is how long a file's name may be, in bytes, on most systems.
const maxName = 255

// RestoreOptions say how files are written out.
type RestoreOptions struct {
	// Force replaces files that exist.
	Force bool
	// InPlace rewrites files that exist, and of these only what differs.
	InPlace bool
	// Progress, if not nil, is told of bytes that are done, holes included,
	// from any goroutine.
	Progress func(bytes int64)
}

// RestoreReport says what was done to files, in bytes.
type RestoreReport struct {
	ReadBytes      int64 // of files that were there, to compare
	DifferentBytes int64 // in whole grains, and what was too much
	WrittenBytes   int64
	PunchedBytes   int64 // made holes
}

// Restore writes files of a generation below the folder dir, all if paths is
// empty. Each byte is verified, holes stay holes, and a file appears under its
// name only when it is whole and durable. Nothing is written outside of dir,
// whatever links lie in it. It returns fs.ErrExist for a file that exists,
// unless forced. A file that is damaged gives a DamageError, in the end: the
// others are restored. Any other error ends the restoring; the files before it
// stay.
//
// In place, a file that exists is rewritten where it differs, and is not
// touched where it does not. While it is neither the one nor the other, it has
// another name, with partialSuffix: after an interruption it keeps that, nobody
// can take it for whole, and the same call finishes it. Damage leaves the old
// bytes of its range. It returns ErrInUse for the files of a VM that runs.
func (r *Repo) Restore(ctx context.Context, g *Generation, paths []string, dir string, options RestoreOptions) (RestoreReport, error) {
	var report RestoreReport
	if len(paths) == 0 {
		for _, f := range g.Files {
			paths = append(paths, f.Path)
		}
	}
	for _, p := range paths {
		if g.File(p) == nil {
			return report, fmt.Errorf("restore %q of %s: %w", p, g, ErrNotFound)
		}
		if !filepath.IsLocal(filepath.FromSlash(p)) {
			return report, fmt.Errorf("restore %q of %s: this system cannot have a file of that name", p, g)
		}
	}
	if err := storage.MakeDirs(dir, 0o777); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	defer root.Close()
	if err := mayRestore(root, g, paths, options); err != nil {
		return report, err
	}
	if options.Progress == nil {
		options.Progress = func(int64) {}
	}
	var damage error
	for _, p := range paths {
		f, err := r.OpenFile(g, p)
		if err == nil && options.InPlace {
			err = f.restoreInPlace(ctx, root, options, &report)
		} else if err == nil {
			err = f.restore(ctx, root, options, &report)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("restore %q: %w", p, err)
		var lost *DamageError
		if !errors.As(err, &lost) {
			return report, errors.Join(damage, err)
		}
		damage = errors.Join(damage, err)
	}
	return report, damage
}

// mayRestore refuses, before anything is written, what must not be.
func mayRestore(root *os.Root, g *Generation, paths []string, options RestoreOptions) error {
	if options.InPlace {
		return mayRewrite(root, g, paths)
	}
	if options.Force {
		return nil
	}
	for _, p := range paths {
		if _, err := root.Lstat(p); err == nil {
			return fmt.Errorf("restore %q: %w in %s", p, fs.ErrExist, root.Name())
		}
	}
	return nil
}

// restore writes under a passing name, then moves the file into place.
func (f *File) restore(ctx context.Context, root *os.Root, options RestoreOptions, report *RestoreReport) (err error) {
	name := f.entry.Path
	folder := path.Dir(name)
	if err := root.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	passing := path.Join(folder, "."+path.Base(name)+".granary-"+format.NewSessionID().String()[:8])
	if len(path.Base(passing)) > maxName {
		passing = path.Join(folder, ".granary-"+format.NewSessionID().String())
	}
	out, err := root.OpenFile(passing, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.Remove(passing))
		}
	}()
	w := &rewriter{file: f, out: out, change: func() error { return nil }, progress: options.Progress}
	err = w.run(ctx)
	w.addTo(report)
	if err == nil {
		err = f.describe(root, passing, out)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := moveInto(root, passing, name, options.Force); err != nil {
		return err
	}
	return syncFolder(root, folder)
}

// describe gives a file that has the name now the mode and the time of the
// generation's.
func (f *File) describe(root *os.Root, now string, out *os.File) error {
	info, err := out.Stat()
	if err != nil {
		return err
	}
	if mode := fs.FileMode(f.entry.Mode).Perm(); info.Mode().Perm() != mode {
		if err := out.Chmod(mode); err != nil {
			return err
		}
	}
	modified := time.Unix(0, f.entry.ModTime)
	if info.ModTime().Equal(modified) {
		return nil
	}
	return root.Chtimes(now, modified, modified)
}

func syncFolder(root *os.Root, folder string) error {
	return storage.SyncDir(filepath.Join(root.Name(), filepath.FromSlash(folder)))
}

// moveInto gives a file its name. Unless forced it does not replace one that
// came meanwhile: link(2) refuses to, where the file system has it.
func moveInto(root *os.Root, passing, name string, force bool) error {
	if force {
		return root.Rename(passing, name)
	}
	err := root.Link(passing, name)
	if err == nil {
		return root.Remove(passing)
	}
	if _, statErr := root.Lstat(name); errors.Is(err, fs.ErrExist) || statErr == nil {
		return fs.ErrExist
	}
	return root.Rename(passing, name)
}
