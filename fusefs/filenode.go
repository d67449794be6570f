//go:build linux

package fusefs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"granary/repo/format"
)

// fileNode is a file of a generation.
type fileNode struct {
	node
	generation *generation
	file       *format.File
}

var (
	_ fs.NodeOpener      = (*fileNode)(nil)
	_ fs.NodeGetattrer   = (*fileNode)(nil)
	_ fs.NodeGetxattrer  = (*fileNode)(nil)
	_ fs.NodeListxattrer = (*fileNode)(nil)
)

// Open opens the file for reading. Each handle has a reader of its own, whose
// read-ahead other readers of the file do not confuse.
func (n *fileNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, syscall.EROFS
	}
	f, err := n.source.OpenFile(n.generation.Generation, n.file.Path)
	if err != nil {
		return nil, 0, n.fail("file cannot be opened", n.generation, n.file.Path, err)
	}
	return &handle{of: n, file: f}, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH, 0
}

// Getattr gives the attributes of the file.
func (n *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.owner.file(&out.Attr, n.file)
	out.SetTimeout(immutable)
	return 0
}

// Getxattr gives a fact of the file or of its capture.
func (n *fileNode) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return getXattr(fileXattrs(n.generation, n.file), name, dest)
}

// Listxattr names the facts of the file and of its capture.
func (n *fileNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return listXattr(fileXattrs(n.generation, n.file), dest)
}
