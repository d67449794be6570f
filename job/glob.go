package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"granary/capture/host"
)

// maxListed bounds how many names a pattern may look at.
const maxListed = 100_000

// patternMarks make a pattern of a name.
const patternMarks = "*?["

// isPattern tells whether a path, or a part of one, could stand for several.
func isPattern(path string) bool {
	if _, rest, named := host.SplitDatastore(path); named {
		path = rest
	}
	return strings.ContainsAny(path, patternMarks)
}

// glob finds the paths below root that fit a pattern, sorted, relative to root.
// Other than filepath.Glob, it says which folders it could not read, for a
// backup that passes over VMs in silence is none. A star does not stand for the
// dot that begins a name: storage keeps its own snapshots of all VMs in folders
// like .snapshot.
func glob(ctx context.Context, root, pattern string) ([]string, error) {
	parts := strings.Split(filepath.ToSlash(pattern), "/")
	for _, part := range parts {
		if _, err := filepath.Match(part, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", part, err)
		}
	}
	found := []string{""}
	listed := 0
	var errs []error
	for i, part := range parts {
		var next []string
		for _, dir := range found {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			if !strings.ContainsAny(part, patternMarks) {
				if _, err := os.Lstat(filepath.Join(root, dir, part)); err == nil {
					next = append(next, filepath.Join(dir, part))
				} else if !absent(err) {
					errs = append(errs, err)
				}
				continue
			}
			entries, err := os.ReadDir(filepath.Join(root, dir))
			if err != nil && !absent(err) {
				errs = append(errs, err)
			}
			if listed += len(entries); listed > maxListed {
				return nil, fmt.Errorf("there are more than %d files to look at: name the folders more closely", maxListed)
			}
			for _, e := range entries {
				if fits(part, e, i < len(parts)-1) {
					next = append(next, filepath.Join(dir, e.Name()))
				}
			}
		}
		found = next
	}
	return found, errors.Join(errs...)
}

// absent tells whether an error says no more than that a path fits nothing.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isNotDir(err)
}

// fits tells whether a name fits a part of a pattern. A part with more behind it
// wants a folder, or a link, which may lead to one.
func fits(part string, e fs.DirEntry, more bool) bool {
	if strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(part, ".") {
		return false
	}
	if more && e.Type().IsRegular() {
		return false
	}
	ok, err := filepath.Match(part, e.Name())
	return ok && err == nil
}
