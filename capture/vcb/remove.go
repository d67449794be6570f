package vcb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unmountName is the file by which vcbMounter knows what to unmount.
const unmountName = "unmount.dat"

// exported are the endings of what an export holds besides its two marks.
var exported = []string{".vmdk", ".vmx", ".vmxf", ".vmsd", ".vmsn", ".vmss", ".nvram", ".log", ".cfg"}

// Remove removes the export directory dir and what lies in it. One that is not
// there is no error.
//
// It removes nothing, and the error is ErrNotExport, where dir is no export: a
// symbolic link, a folder with folders in it (an export is flat, and a mounted
// guest's would be emptied), with devices or pipes, or with strange files and
// neither catalog nor unmount.dat. Symbolic links in dir are removed, never
// followed.
func Remove(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("remove export: %w", err)
	case !info.IsDir():
		return fmt.Errorf("remove export %s: it is no directory: %w", dir, ErrNotExport)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("remove export: %w", err)
	}
	defer root.Close()
	if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
		return fmt.Errorf("remove export %s: it was exchanged meanwhile: %w", dir, ErrNotExport)
	}
	names, err := exportedNames(root)
	if err != nil {
		return fmt.Errorf("remove export %s: %w", dir, err)
	}
	for _, name := range names {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove export: %w", err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove export: %w", err)
	}
	return nil
}

// exportedNames returns the files in root, which must look like an export. Its
// marks come last: a removal that is cut short can be done again.
func exportedNames(root *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var names, marks, strange []string
	for _, entry := range entries {
		name := entry.Name()
		switch kind := entry.Type(); {
		case !kind.IsRegular() && kind != fs.ModeSymlink:
			return nil, fmt.Errorf("it holds %q, which is no file: %w", name, ErrNotExport)
		case name == catalogName || name == unmountName:
			marks = append(marks, name)
			continue
		case !slices.Contains(exported, strings.ToLower(filepath.Ext(name))):
			strange = append(strange, name)
		}
		names = append(names, name)
	}
	if len(marks) == 0 && len(strange) > 0 {
		return nil, fmt.Errorf("it holds %q and no catalog: %w", strange[0], ErrNotExport)
	}
	return append(names, marks...), nil
}
