package fusefs

import "errors"

var (
	// ErrUnsupported means that this system has no granary mount: it is
	// available on Linux. Elsewhere files come back by granary restore.
	ErrUnsupported = errors.New("mounting is available on Linux only; use granary restore here")
	// ErrNoFUSE means that this host or user lacks something that FUSE needs.
	// The error says what to install or to do.
	ErrNoFUSE = errors.New("FUSE cannot be used")
	// ErrNoMountPoint means that the mount point is missing or no folder.
	ErrNoMountPoint = errors.New("mount point is not an existing folder")
	// ErrNotEmpty means that files in the mount point would be hidden.
	ErrNotEmpty = errors.New("mount point is not empty")
	// ErrOverlap means that the mount point lies in the repository, or the
	// repository in the mount point.
	ErrOverlap = errors.New("mount point and repository lie inside of each other")
	// ErrMounted means that a granary mount is there already.
	ErrMounted = errors.New("already a granary mount")
	// ErrNotMounted means that there is no granary mount to end.
	ErrNotMounted = errors.New("not a granary mount")
	// ErrBusy means that files or folders of the mount are in use.
	ErrBusy = errors.New("mount is in use: close its files and leave its folders first")
	// ErrDetached means that a mount was in use, and was taken out of the tree
	// nevertheless. It is served on until the last of its files is closed.
	ErrDetached = errors.New("mount was in use: it is detached, and ends when its last file is closed")
)
