package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"granary/repo/format"
)

// partialSuffix is what the name of a file ends in while it is neither what it
// was nor what it will be.
const partialSuffix = ".granary-partial"

// partialName is always the same for a name: so an interrupted file is found.
func partialName(name string) string {
	folder, base := path.Split(name)
	if len(base)+len(partialSuffix) > maxName {
		base = format.NewHasher().ID(format.Data, []byte(base)).String()
	}
	return folder + base + partialSuffix
}

// restoreInPlace makes the file that lies below root the generation's.
func (f *File) restoreInPlace(ctx context.Context, root *os.Root, options RestoreOptions, report *RestoreReport) error {
	name := f.entry.Path
	now, err := whatLies(root, name)
	if err != nil {
		return err
	}
	if now == "" {
		return f.restore(ctx, root, options, report)
	}
	out, err := root.OpenFile(now, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	w := &rewriter{file: f, out: out, keep: true, progress: options.Progress}
	w.change = sync.OnceValue(func() error {
		err := root.Rename(now, partialName(name))
		if err != nil {
			return err
		}
		now = partialName(name)
		return syncFolder(root, path.Dir(name))
	})
	err = w.run(ctx)
	w.addTo(report)
	var described error
	if err == nil && w.damage == nil {
		described = f.describe(root, now, out)
	}
	if err == nil {
		err = out.Sync()
	}
	err = errors.Join(err, out.Close())
	if err == nil && now != name {
		err = nameAgain(root, now, name)
	}
	if err == nil {
		return errors.Join(w.damaged(), described)
	}
	if now != name {
		err = fmt.Errorf("%w; %s is neither the old file nor the new one now: the same command finishes it",
			err, filepath.Join(root.Name(), filepath.FromSlash(now)))
	}
	return err
}

// nameAgain gives a file its name, in one step: between two a kill would leave
// both names.
func nameAgain(root *os.Root, now, name string) error {
	if _, err := root.Lstat(name); err == nil {
		return fmt.Errorf("%s was made meanwhile: %w", name, fs.ErrExist)
	}
	if err := root.Rename(now, name); err != nil {
		return err
	}
	return syncFolder(root, path.Dir(name))
}

// whatLies returns the name that a file to be rewritten has now, none if there
// is no such file.
func whatLies(root *os.Root, name string) (now string, err error) {
	for _, n := range []string{name, partialName(name)} {
		info, err := root.Lstat(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if !info.Mode().IsRegular() {
			return "", fmt.Errorf("%s is not a regular file", n)
		}
		if now != "" {
			return "", fmt.Errorf("%s is there as well, of a restore that was interrupted: remove one of the two", n)
		}
		now = n
	}
	return now, nil
}
