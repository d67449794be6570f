//go:build linux

package fusefs

import (
	"strings"
	"syscall"
	"time"

	"granary/repo/format"
)

const (
	xattrPrefix = "user.granary."
	// The kernel's limits.
	maxXattrName  = 255
	maxXattrValue = 64 << 10
)

// xattr is an extended attribute.
type xattr struct{ name, value string }

// xattrs are the facts of a generation.
func (g *generation) xattrs() []xattr {
	return []xattr{
		{xattrPrefix + "vm", g.VM},
		{xattrPrefix + "session", g.Session.String()},
		{xattrPrefix + "frozen", time.Unix(0, g.Frozen).UTC().Format(time.RFC3339Nano)},
		{xattrPrefix + "consistency", g.Consistency.String()},
	}
}

// folderXattrs adds what else was recorded of the capture.
func folderXattrs(g *generation) []xattr {
	list := g.xattrs()
	for _, f := range g.Facts {
		name := xattrPrefix + "fact." + f.Key
		if f.Key != "" && len(name) <= maxXattrName && len(f.Value) <= maxXattrValue && !strings.ContainsRune(f.Key, 0) {
			list = append(list, xattr{name, f.Value})
		}
	}
	return list
}

// fileXattrs adds what belongs to a file.
func fileXattrs(g *generation, f *format.File) []xattr {
	list := append(g.xattrs(), xattr{xattrPrefix + "root", f.Root.String()})
	if f.Source != "" && len(f.Source) <= maxXattrValue {
		list = append(list, xattr{xattrPrefix + "source", f.Source})
	}
	return list
}

// getXattr copies the value of an attribute to dest. It gives ERANGE and the
// size needed where dest is too small.
func getXattr(list []xattr, name string, dest []byte) (uint32, syscall.Errno) {
	for _, x := range list {
		if x.name == name {
			return answer(x.value, dest)
		}
	}
	return 0, syscall.ENODATA
}

// listXattr copies the names, each closed by a NUL.
func listXattr(list []xattr, dest []byte) (uint32, syscall.Errno) {
	var names strings.Builder
	for _, x := range list {
		names.WriteString(x.name)
		names.WriteByte(0)
	}
	return answer(names.String(), dest)
}

func answer(text string, dest []byte) (uint32, syscall.Errno) {
	if len(dest) < len(text) {
		return uint32(len(text)), syscall.ERANGE
	}
	return uint32(copy(dest, text)), 0
}
