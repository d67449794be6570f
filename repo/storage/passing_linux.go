package storage

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// createPassing makes a file without a name, so that a killed process leaves
// nothing. File systems that have no such files give it one in tmp.
func createPassing(tmp string) (*passing, error) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return createNamed(tmp) // no way to name it later
	}
	fd, err := unix.Open(tmp, unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return createNamed(tmp)
	}
	f := os.NewFile(uintptr(fd), tmp)
	return &passing{File: f, link: func(path string) error {
		from := fmt.Sprintf("/proc/self/fd/%d", fd)
		if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
			return &os.LinkError{Op: "link", Old: tmp, New: path, Err: err}
		}
		return nil
	}, discard: f.Close}, nil
}
