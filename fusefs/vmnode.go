//go:build linux

package fusefs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// vmNode is the folder of a VM's generations.
type vmNode struct {
	node
	name string
}

var (
	_ fs.NodeLookuper  = (*vmNode)(nil)
	_ fs.NodeReaddirer = (*vmNode)(nil)
	_ fs.NodeGetattrer = (*vmNode)(nil)
)

// machine returns the VM as it is now, nil once its last generation is
// forgotten.
func (n *vmNode) machine() *machine { return n.listing.catalogue().vms[n.name] }

// Lookup finds a generation, or latest.
func (n *vmNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	v := n.machine()
	if v == nil {
		return nil, syscall.ENOENT
	}
	if name == latestName {
		n.owner.link(&out.Attr, v.newest().Name, v.newest().Frozen)
		return n.enter(ctx, &latestNode{node{shared: n.shared}, n.name}, latestIdentity(n.name), n.fresh, out), 0
	}
	g := v.generations[name]
	if g == nil {
		return nil, syscall.ENOENT
	}
	child := &folderNode{node{shared: n.shared}, g, g.root()}
	child.fill(&out.Attr)
	inode := n.enter(ctx, child, folderIdentity(g, ""), n.fresh, out)
	// Its name may go; what it is stays.
	out.SetAttrTimeout(immutable)
	return inode, 0
}

// Readdir lists the generations, and latest.
func (n *vmNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	v := n.machine()
	if v == nil {
		return nil, syscall.ENOENT
	}
	list := withDots(len(v.ordered)+1, vmIdentity(n.name).Ino, rootInode)
	for _, g := range v.ordered {
		list = append(list, entry(g.Name, folderIdentity(g, "")))
	}
	list = append(list, entry(latestName, latestIdentity(n.name)))
	return fs.NewListDirStream(list), 0
}

// Getattr gives the attributes of the folder.
func (n *vmNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	v := n.machine()
	if v == nil {
		return syscall.ENOENT
	}
	n.owner.folder(&out.Attr, len(v.ordered), v.newest().Frozen)
	out.SetTimeout(n.fresh)
	return 0
}

// latestNode is the link to a VM's newest generation.
type latestNode struct {
	node
	vm string
}

var (
	_ fs.NodeReadlinker = (*latestNode)(nil)
	_ fs.NodeGetattrer  = (*latestNode)(nil)
)

func (n *latestNode) target() *generation {
	v := n.listing.catalogue().vms[n.vm]
	if v == nil {
		return nil
	}
	return v.newest()
}

// Readlink gives the name of the newest generation.
func (n *latestNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	g := n.target()
	if g == nil {
		return nil, syscall.ENOENT
	}
	return []byte(g.Name), 0
}

// Getattr gives the attributes of the link.
func (n *latestNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	g := n.target()
	if g == nil {
		return syscall.ENOENT
	}
	n.owner.link(&out.Attr, g.Name, g.Frozen)
	out.SetTimeout(n.fresh)
	return 0
}
