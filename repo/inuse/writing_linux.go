package inuse

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ForWriting tells whether any process of this host has a file open for
// writing: then the kernel refuses a read lease. Where it cannot tell, it says
// no.
func ForWriting(f *os.File) (bool, error) {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if errors.Is(err, unix.EAGAIN) {
		return true, nil
	}
	if err != nil {
		return false, nil // no lease on this file system, or not our file
	}
	// At once: whoever opens the file for writing waits while it is held.
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return false, err
}
