//go:build linux

package fusefs

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"granary/repo/format"
)

const (
	// immutable is how long the kernel may remember what never changes.
	immutable = 12 * time.Hour
	// blockSize is the size in which programs are advised to read.
	blockSize = 1 << 20
)

// owner is who everything belongs to: the user that mounts.
type owner struct{ uid, gid uint32 }

// folder fills in the attributes of a folder.
func (o owner) folder(out *fuse.Attr, subfolders int, modified int64) {
	out.Mode = fuse.S_IFDIR | 0o555
	out.Nlink = uint32(2 + subfolders)
	o.common(out, modified)
}

// file fills in the attributes of a file: those of its capture, without what
// would allow to write. Who mounts may read it in any case.
func (o owner) file(out *fuse.Attr, f *format.File) {
	out.Mode = fuse.S_IFREG | 0o400 | f.Mode&0o444
	out.Nlink = 1
	out.Size = uint64(f.Size)
	out.Blksize = blockSize
	out.Blocks = (uint64(f.Allocated) + 511) / 512
	o.common(out, f.ModTime)
}

// link fills in the attributes of a symbolic link.
func (o owner) link(out *fuse.Attr, target string, modified int64) {
	out.Mode = fuse.S_IFLNK | 0o777
	out.Nlink = 1
	out.Size = uint64(len(target))
	out.Blksize = 4096 // unset it would imply blocks
	o.common(out, modified)
}

func (o owner) common(out *fuse.Attr, modified int64) {
	out.Uid, out.Gid = o.uid, o.gid
	t := time.Unix(0, modified)
	out.SetTimes(&t, &t, &t)
}
