package repo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/repo/format"
	"granary/repo/storage"
)

// RestoreOptions say how files are written out.
type RestoreOptions struct {
	// Force replaces files that exist.
	Force bool
	// Progress, if not nil, is told of bytes that are done, holes included,
	// from any goroutine.
	Progress func(bytes int64)
}

// restoreBytes is what one goroutine reads and writes at a time.
const restoreBytes = 4 << 20

// Restore writes files of a generation below the folder dir, all if paths is
// empty. Each byte is verified, holes stay holes, and a file appears under its
// name only when it is whole and durable. Nothing is written outside of dir,
// whatever links lie in it. It returns fs.ErrExist for a file that exists,
// unless forced. A file that is damaged gives a DamageError, in the end: the
// others are restored. Any other error ends the restoring; the files before it
// stay.
func (r *Repo) Restore(ctx context.Context, g *Generation, paths []string, dir string, options RestoreOptions) error {
	if len(paths) == 0 {
		for _, f := range g.Files {
			paths = append(paths, f.Path)
		}
	}
	for _, p := range paths {
		if g.File(p) == nil {
			return fmt.Errorf("restore %q of %s: %w", p, g, ErrNotFound)
		}
		if !filepath.IsLocal(filepath.FromSlash(p)) {
			return fmt.Errorf("restore %q of %s: this system cannot have a file of that name", p, g)
		}
	}
	if err := storage.MakeDirs(dir, 0o777); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer root.Close()
	if !options.Force {
		for _, p := range paths {
			if _, err := root.Lstat(p); err == nil {
				return fmt.Errorf("restore %q: %w in %s", p, fs.ErrExist, dir)
			}
		}
	}
	var damage error
	for _, p := range paths {
		f, err := r.OpenFile(g, p)
		if err == nil {
			err = r.restoreFile(ctx, f, root, options)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("restore %q: %w", p, err)
		var lost *DamageError
		if !errors.As(err, &lost) {
			return errors.Join(damage, err)
		}
		damage = errors.Join(damage, err)
	}
	return damage
}

// restoreFile writes under a passing name, then moves the file into place.
func (r *Repo) restoreFile(ctx context.Context, f *File, root *os.Root, options RestoreOptions) (err error) {
	name := f.entry.Path
	folder := path.Dir(name)
	if err := root.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	passing := path.Join(folder, "."+path.Base(name)+".granary-"+format.NewSessionID().String()[:8])
	if len(path.Base(passing)) > 255 {
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
	err = f.copyTo(ctx, out, options.Progress)
	if err == nil {
		err = out.Chmod(fs.FileMode(f.entry.Mode).Perm())
	}
	modified := time.Unix(0, f.entry.ModTime)
	if err == nil {
		err = root.Chtimes(passing, modified, modified)
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

// copyTo writes the file's data, in parallel and verified, and leaves out its
// holes.
func (f *File) copyTo(ctx context.Context, out *os.File, progress func(int64)) error {
	if err := out.Truncate(f.Size()); err != nil {
		return err
	}
	if progress == nil {
		progress = func(int64) {}
	}
	g, going := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0) + 1)
	for off := int64(0); off < f.Size() && going.Err() == nil; {
		start, end, err := f.NextData(off)
		if errors.Is(err, io.EOF) {
			progress(f.Size() - off)
			break
		}
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		progress(start - off)
		for at := start; at < end && going.Err() == nil; at += restoreBytes {
			g.Go(func() error {
				n := min(restoreBytes, end-at)
				if err := f.copyRange(going, out, at, n); err != nil {
					return err
				}
				progress(n)
				return nil
			})
		}
		off = end
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (f *File) copyRange(ctx context.Context, out *os.File, off, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	buf := runBuffers.Get().(*[]byte)
	defer runBuffers.Put(buf)
	if int64(cap(*buf)) < n {
		*buf = make([]byte, n)
	}
	p := (*buf)[:n]
	if _, err := f.ReadAt(p, off); err != nil {
		return err
	}
	_, err := out.WriteAt(p, off)
	return err
}
