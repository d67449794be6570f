package capture

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"granary/repo/format"
)

func describeSystem(entry *format.File, info os.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		entry.Changed, entry.Inode, entry.Device = st.Ctim.Nano(), st.Ino, st.Dev
	}
}

// adviseSequential widens the kernel's read-ahead; without it, all goes the
// same, slower.
func adviseSequential(f *os.File) {
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
}

// NextData is repo.DataFinder. A file system that cannot tell holes has data
// everywhere.
func (s *source) NextData(off int64) (start, end int64, err error) {
	fd := int(s.Fd())
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return 0, 0, io.EOF
	}
	if err != nil {
		return off, s.entry.Size, nil
	}
	end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil || end <= start {
		end = s.entry.Size
	}
	return start, end, nil
}
