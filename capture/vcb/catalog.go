package vcb

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// catalogName is the file that vcbMounter writes beside the exported files.
const catalogName = "catalog"

// maxCatalog bounds a catalog, in bytes. Real ones hold some dozens of lines.
const maxCatalog = 1 << 20

// Catalog is what vcbMounter notes about an export: lines of the form
// key= "value". The zero value is an empty one.
//
// Known for certain are the keys host, resourcepool and config.vmx; recalled
// are version, state, display_name, uuid, timestamp, folderpath,
// disk.NODE.filename, disk.NODE.diskname, config.file0 and log.file0.
type Catalog struct {
	pairs []pair
}

type pair struct{ key, value string }

// ReadCatalog reads the catalog of the export at dir. One that is missing or
// holds nothing is ErrIncomplete: vcbMounter was ended before it had finished.
func ReadCatalog(dir string) (Catalog, error) {
	path := filepath.Join(dir, catalogName)
	if !isRegular(path) {
		return Catalog{}, fmt.Errorf("read catalog of %s: it is not there: %w", dir, ErrIncomplete)
	}
	file, err := os.Open(path)
	if err != nil {
		return Catalog{}, fmt.Errorf("read catalog: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxCatalog+1))
	if err != nil {
		return Catalog{}, fmt.Errorf("read catalog: %w", err)
	}
	c, err := ParseCatalog(data)
	if err != nil {
		return Catalog{}, fmt.Errorf("read catalog of %s: %w", dir, err)
	}
	return c, nil
}

// isRegular reports whether path is a regular file, not a link to one: what
// lies in an export does not lead out of it.
func isRegular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// ParseCatalog reads a catalog, of at most 1 MiB. Blanks around keys and values,
// missing quotes, comments, CRLF and a byte order mark are accepted, and lines
// that hold no pair are skipped. Without any pair it is ErrIncomplete.
func ParseCatalog(data []byte) (Catalog, error) {
	if len(data) > maxCatalog {
		return Catalog{}, fmt.Errorf("more than %d bytes are no catalog: %w", maxCatalog, ErrIncomplete)
	}
	var c Catalog
	text := strings.TrimPrefix(string(data), "\xef\xbb\xbf")
	for line := range strings.Lines(text) {
		key, value, found := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !found || key == "" || strings.HasPrefix(key, "#") {
			continue
		}
		c.pairs = append(c.pairs, pair{key, unquote(strings.TrimSpace(value))})
	}
	if len(c.pairs) == 0 {
		return Catalog{}, fmt.Errorf("the catalog says nothing: %w", ErrIncomplete)
	}
	return c, nil
}

// unquote removes the quotes around a value. Those within it are its own: how
// vcbMounter would escape them is not known.
func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// Get returns the value of key, whatever its case, and whether there is one. Of
// several the last counts. The value's bytes are those of the file.
func (c Catalog) Get(key string) (string, bool) {
	for i := len(c.pairs) - 1; i >= 0; i-- {
		if strings.EqualFold(c.pairs[i].key, key) {
			return c.pairs[i].value, true
		}
	}
	return "", false
}

// VMX returns the machine's .vmx file on its host, "[storage1] web/web.vmx", or
// "" if the catalog does not say.
func (c Catalog) VMX() string {
	value, _ := c.Get("config.vmx")
	return value
}

// DiskFile returns what the catalog calls the exported disk at node, such as
// scsi0:0, or "" if it does not say. Whether the name is that of the export or
// of the host is not known.
func (c Catalog) DiskFile(node string) string {
	value, _ := c.Get("disk." + node + ".filename")
	return value
}
