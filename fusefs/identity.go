//go:build linux

package fusefs

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// rootInode is the inode number of the mount's root.
const rootInode = 1

// Identities, the same in every mount.

func vmIdentity(vm string) fs.StableAttr { return identity(fuse.S_IFDIR, vm) }

func latestIdentity(vm string) fs.StableAttr { return identity(fuse.S_IFLNK, vm, latestName) }

func folderIdentity(g *generation, path string) fs.StableAttr {
	return identity(fuse.S_IFDIR, g.VM, string(g.Session[:]), path)
}

func fileIdentity(g *generation, path string) fs.StableAttr {
	return identity(fuse.S_IFREG, g.VM, string(g.Session[:]), path)
}

// identity hashes what a node is. Two nodes whose inode numbers collide are
// still told apart by Gen: they could only look like hard links.
func identity(mode uint32, parts ...string) fs.StableAttr {
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	h := sha256.Sum256(b)
	// The upper half belongs to numbers that go-fuse gives out, and some
	// programs take inode numbers for signed ones.
	ino := binary.LittleEndian.Uint64(h[:]) &^ (1 << 63)
	if ino <= rootInode {
		ino += 2
	}
	return fs.StableAttr{Mode: mode, Ino: ino, Gen: binary.LittleEndian.Uint64(h[8:])}
}
