//go:build linux

package fusefs

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"granary/repo"
)

// handle is an open file. It has no cursor and no lock.
type handle struct {
	of   *fileNode
	file *repo.File
	// run is what was last found of data and holes: who copies a sparse file
	// asks for the begin and then for the end of the same run, which may be
	// many nodes long.
	run atomic.Pointer[dataRun]
}

var (
	_ fs.FileReader  = (*handle)(nil)
	_ fs.FileLseeker = (*handle)(nil)
)

// Read fills dest, but for the file's end. Where some of it cannot be read all
// of it fails: the kernel takes a short answer for the end of the file, and
// what follows for zeros. It then asks again for the smaller parts that the
// program wants.
func (h *handle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	s, err := h.file.Stretch(off, len(dest))
	if err != nil && !errors.Is(err, io.EOF) {
		s.Release()
		return nil, h.of.fail("read failed", h.of.generation, h.of.file.Path, err)
	}
	return reply{s}, 0
}

// reply is what was read: it goes to the kernel from the cache that it lies in.
type reply struct{ *repo.Stretch }

var _ fuse.ReadResult = reply{}

// Slices are what go-fuse writes to the kernel.
func (r reply) Slices() ([][]byte, fuse.Status) { return r.Parts, fuse.OK }

// Size is the number of bytes.
func (r reply) Size() (n int) {
	for _, p := range r.Parts {
		n += len(p)
	}
	return n
}

// Bytes copies what was read to buf, for who cannot write slices.
func (r reply) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, p := range r.Parts {
		buf = append(buf, p...)
	}
	return buf, fuse.OK
}

// Done is called once the kernel has it.
func (r reply) Done() { r.Release() }

// Lseek finds data or a hole, as lseek(2).
func (h *handle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	if off >= uint64(h.file.Size()) {
		return 0, syscall.ENXIO
	}
	if whence != unix.SEEK_DATA && whence != unix.SEEK_HOLE {
		return 0, syscall.EINVAL
	}
	run, err := h.runAt(int64(off))
	if err != nil {
		return 0, h.of.fail("search for holes failed", h.of.generation, h.of.file.Path, err)
	}
	inData := run.start <= int64(off)
	switch {
	case whence == unix.SEEK_HOLE && inData:
		return uint64(run.end), 0 // at the latest the hole past the file's end
	case whence == unix.SEEK_HOLE || inData:
		return off, 0
	case run.start == run.end:
		return 0, syscall.ENXIO // only holes follow
	}
	return uint64(run.start), 0
}

// dataRun says that there are holes from from to start, then data to end.
// Both are the file's end where only holes follow.
type dataRun struct{ from, start, end int64 }

func (h *handle) runAt(off int64) (*dataRun, error) {
	if last := h.run.Load(); last != nil && last.from <= off && off < last.end {
		return last, nil
	}
	found := &dataRun{from: off}
	var err error
	found.start, found.end, err = h.file.NextData(off)
	if errors.Is(err, io.EOF) {
		found.start, found.end = h.file.Size(), h.file.Size()
	} else if err != nil {
		return nil, err
	}
	h.run.Store(found)
	return found, nil
}
