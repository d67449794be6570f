package repo

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// nextData is where data at or after off begins; math.MaxInt64 if there is
// none. Where a file system cannot tell, data is everywhere.
func nextData(f *os.File, off int64) (int64, error) {
	start, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return math.MaxInt64, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, errors.ErrUnsupported):
		return off, nil
	}
	return start, err
}

// punchHole returns errors.ErrUnsupported where the file system has no holes.
func punchHole(f *os.File, off, size int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, size)
}

// startWriteBack lets the kernel begin to write what fsync will wait for.
// Without it, all goes the same, slower.
func startWriteBack(f *os.File, off, size int64) {
	_ = unix.SyncFileRange(int(f.Fd()), off, size, unix.SYNC_FILE_RANGE_WRITE)
}
