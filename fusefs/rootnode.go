//go:build linux

package fusefs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// rootNode is the mount's root, the folder of VMs.
type rootNode struct{ node }

var (
	_ fs.NodeLookuper  = (*rootNode)(nil)
	_ fs.NodeReaddirer = (*rootNode)(nil)
	_ fs.NodeGetattrer = (*rootNode)(nil)
)

// Lookup finds a VM.
func (n *rootNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	v := n.listing.catalogue().vms[name]
	if v == nil {
		return nil, syscall.ENOENT
	}
	n.owner.folder(&out.Attr, len(v.ordered), v.newest().Frozen)
	return n.enter(ctx, &vmNode{node{shared: n.shared}, name}, vmIdentity(name), n.fresh, out), 0
}

// Readdir lists the VMs.
func (n *rootNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	c := n.listing.catalogue()
	list := withDots(len(c.names), rootInode, rootInode)
	for _, name := range c.names {
		list = append(list, entry(name, vmIdentity(name)))
	}
	return fs.NewListDirStream(list), 0
}

// Getattr gives the attributes of the root.
func (n *rootNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := n.listing.catalogue()
	n.owner.folder(&out.Attr, len(c.names), c.newest)
	out.SetTimeout(n.fresh)
	return 0
}
