//go:build linux

package fusefs

import (
	"context"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// folderNode is a folder of a generation, or the generation itself. It goes on
// to work after the generation has been forgotten, as far as packs are left.
type folderNode struct {
	node
	generation *generation
	folder     *folder
}

var (
	_ fs.NodeLookuper    = (*folderNode)(nil)
	_ fs.NodeReaddirer   = (*folderNode)(nil)
	_ fs.NodeGetattrer   = (*folderNode)(nil)
	_ fs.NodeGetxattrer  = (*folderNode)(nil)
	_ fs.NodeListxattrer = (*folderNode)(nil)
)

func (n *folderNode) fill(out *fuse.Attr) {
	n.owner.folder(out, len(n.folder.folders), n.generation.Frozen)
}

// Lookup finds a file or a folder.
func (n *folderNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if f := n.folder.files[name]; f != nil {
		n.owner.file(&out.Attr, f)
		child := &fileNode{node{shared: n.shared}, n.generation, f}
		return n.enter(ctx, child, fileIdentity(n.generation, f.Path), immutable, out), 0
	}
	below := n.folder.folders[name]
	if below == nil {
		return nil, syscall.ENOENT
	}
	child := &folderNode{node{shared: n.shared}, n.generation, below}
	child.fill(&out.Attr)
	return n.enter(ctx, child, folderIdentity(n.generation, below.path), immutable, out), 0
}

// Readdir lists the files and folders.
func (n *folderNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	list := withDots(len(n.folder.names), folderIdentity(n.generation, n.folder.path).Ino, n.parent().Ino)
	for _, name := range n.folder.names {
		if f := n.folder.files[name]; f != nil {
			list = append(list, entry(name, fileIdentity(n.generation, f.Path)))
		} else {
			list = append(list, entry(name, folderIdentity(n.generation, n.folder.folders[name].path)))
		}
	}
	return fs.NewListDirStream(list), 0
}

func (n *folderNode) parent() fs.StableAttr {
	if n.folder.path == "" {
		return vmIdentity(n.generation.VM)
	}
	above := path.Dir(n.folder.path)
	if above == "." {
		above = ""
	}
	return folderIdentity(n.generation, above)
}

// Getattr gives the attributes of the folder.
func (n *folderNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fill(&out.Attr)
	out.SetTimeout(immutable)
	return 0
}

// Getxattr gives a fact of the capture.
func (n *folderNode) Getxattr(_ context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	return getXattr(folderXattrs(n.generation), name, dest)
}

// Listxattr names the facts of the capture.
func (n *folderNode) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	return listXattr(folderXattrs(n.generation), dest)
}
