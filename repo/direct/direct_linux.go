package direct

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Reader is an io.ReaderAt over a file. Make it with NewReader, and Close it;
// the file stays open. It is safe for concurrent use.
type Reader struct {
	file   *os.File
	direct *os.File // the same file, opened again; nil where that is refused
	cached atomic.Bool
}

// NewReader reads f, past the page cache where that is possible.
func NewReader(f *os.File) *Reader {
	r := &Reader{file: f}
	// By its descriptor: another file may have its name by now.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_RDONLY|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err == nil {
		r.direct = os.NewFile(uintptr(fd), f.Name())
	}
	return r
}

// ReadAt is io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if r.direct == nil || r.cached.Load() || off%Alignment != 0 || len(p)%Alignment != 0 || !aligned(p) {
		return r.file.ReadAt(p, off)
	}
	n, err := r.direct.ReadAt(p, off)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	// Some file systems find out only now that they cannot, or want more than
	// Alignment. Any other error comes again.
	if errors.Is(err, unix.EINVAL) {
		r.cached.Store(true)
	}
	return r.file.ReadAt(p, off)
}

// Close ends the reading past the cache.
func (r *Reader) Close() error {
	if r.direct == nil {
		return nil
	}
	return r.direct.Close()
}

// Write writes p at the file's cursor, as f.Write does: the part of it that is
// aligned goes past the page cache where that is possible.
func Write(f *os.File, p []byte) (int, error) {
	whole := len(p) / Alignment * Alignment
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	if whole == 0 || at%Alignment != 0 || !aligned(p) || !setDirect(f, true) {
		return f.Write(p)
	}
	n, err := f.Write(p[:whole])
	if !setDirect(f, false) {
		return n, errors.Join(err, fmt.Errorf("write %s: cannot go back to the page cache", f.Name()))
	}
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return n, err
	}
	m, err := f.Write(p[n:])
	return n + m, err
}

// setDirect says whether what follows goes past the page cache.
func setDirect(f *os.File, on bool) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return false
	}
	flags &^= unix.O_DIRECT
	if on {
		flags |= unix.O_DIRECT
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags)
	return err == nil
}
