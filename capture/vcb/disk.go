package vcb

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// DiskFile returns the path of the exported disk, in dir, that is at node
// (scsi0:0) and that the exported .vmx calls fileName: the file that the catalog
// names, else the one with fileName's last element as its name, else one of the
// form scsi0-0-0-NAME.vmdk, which is how exports are recalled to look. It is a
// regular file and lies in dir itself, whatever catalog and .vmx say. If there
// is none, or several, the error is ErrIncomplete.
func DiskFile(dir string, catalog Catalog, node, fileName string) (string, error) {
	base := lastElement(fileName)
	for _, name := range []string{lastElement(catalog.DiskFile(node)), base} {
		if path := filepath.Join(dir, name); name != "" && isRegular(path) {
			return path, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("find disk %s: %w", node, err)
	}
	var found []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && isExportName(entry.Name(), node, base) {
			found = append(found, entry.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("disk %s, called %q, is not in the export: %w", node, fileName, ErrIncomplete)
	case 1:
		return filepath.Join(dir, found[0]), nil
	}
	return "", fmt.Errorf("disk %s, called %q, may be any of %q: %w", node, fileName, found, ErrIncomplete)
}

// nodeForm takes "scsi0:1" apart.
var nodeForm = regexp.MustCompile(`^([A-Za-z]+[0-9]+):([0-9]+)$`)

// isExportName reports whether name is "<bus><controller>-<unit>-<number>-base".
// What the number counts is not known; it was 0 wherever it was seen.
func isExportName(name, node, base string) bool {
	m := nodeForm.FindStringSubmatch(node)
	if m == nil || base == "" {
		return false
	}
	rest, found := strings.CutPrefix(name, strings.ToLower(m[1])+"-"+m[2]+"-")
	number, isBase := strings.CutSuffix(rest, "-"+base)
	return found && isBase && number != "" && strings.Trim(number, "0123456789") == ""
}

// lastElement returns the file's own name in a path of any system, or of a
// datastore ("[storage1] web/web.vmdk"). It is "" for what names no file.
func lastElement(path string) string {
	if strings.HasPrefix(path, "[") {
		if _, rest, found := strings.Cut(path, "] "); found {
			path = rest
		}
	}
	name := path[strings.LastIndexAny(path, `/\`)+1:]
	if slices.Contains([]string{".", ".."}, name) || strings.ContainsRune(name, 0) {
		return ""
	}
	return name
}
