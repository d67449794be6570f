//go:build linux

package fusefs

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"granary/repo"
)

// shared is what the nodes of one mount have in common.
type shared struct {
	source     Source
	listing    *listing
	complaints *complaints
	owner      owner
	// fresh is how long the kernel may remember what may change.
	fresh time.Duration
}

// node is what all nodes are made of.
type node struct {
	fs.Inode
	*shared
}

var _ fs.NodeStatfser = (*node)(nil)

// Statfs tells how much the repository holds. It is always full: nothing can
// be written here, however much its own file system has left.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	c := n.listing.catalogue()
	block := int64(n.source.Grain())
	out.Bsize, out.Frsize = uint32(block), uint32(block)
	out.Blocks = uint64((c.stored + block - 1) / block)
	out.Files = uint64(c.files)
	out.NameLen = 255
	return 0
}

// enter makes a child for a lookup's answer, or for an entry's.
func (n *node) enter(ctx context.Context, child fs.InodeEmbedder, id fs.StableAttr, remember time.Duration, out *fuse.EntryOut) *fs.Inode {
	out.SetEntryTimeout(remember)
	out.SetAttrTimeout(remember)
	return n.NewInode(ctx, child, id)
}

// fail logs what a reader met and returns what the kernel is told.
func (n *node) fail(doing string, g *generation, path string, err error) syscall.Errno {
	errno := errnoOf(err)
	if errno != 0 && errno != syscall.ENOENT {
		args := []any{"generation", g.String(), "file", path, "errno", errno}
		var damage *repo.DamageError
		if errors.As(err, &damage) {
			args = append(args, "hint", "granary check tells what else is damaged")
		}
		n.complaints.about(g.Session.String()+"/"+path, doing, err, args...)
	}
	return errno
}

// withDots begins the list of a folder's entries.
func withDots(n int, own, parent uint64) []fuse.DirEntry {
	return append(make([]fuse.DirEntry, 0, n+2),
		fuse.DirEntry{Name: ".", Mode: fuse.S_IFDIR, Ino: own},
		fuse.DirEntry{Name: "..", Mode: fuse.S_IFDIR, Ino: parent})
}

func entry(name string, id fs.StableAttr) fuse.DirEntry {
	return fuse.DirEntry{Name: name, Mode: id.Mode, Ino: id.Ino}
}
