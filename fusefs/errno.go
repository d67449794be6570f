//go:build linux

package fusefs

import (
	"errors"
	"io/fs"
	"syscall"

	"granary/repo"
)

// errnoOf is what the kernel is told of an error of the repository.
//
// A context that has ended is no EINTR: fetches hang on no reader, so it means
// that the repository is being closed, and programs repeat what is interrupted.
func errnoOf(err error) syscall.Errno {
	var damage *repo.DamageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &damage):
		return syscall.EIO // whatever made it so, a missing object as well
	case errors.Is(err, repo.ErrNotFound):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	}
	return syscall.EIO
}
