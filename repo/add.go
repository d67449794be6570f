package repo

import (
	"context"
	"fmt"
	"io"
	"time"

	"granary/repo/format"
)

// Input is a file to add to a generation.
type Input struct {
	// File describes it; Allocated, Read and Root are filled in by Add.
	format.File
	// Content is read at offsets below Size, by several goroutines. Where it
	// is a DataFinder too, holes are not read.
	Content io.ReaderAt
	// Parent is the same file in an older generation, nil if there is none.
	Parent *ParentFile
	// Progress, if not nil, is told of bytes that are done, from any
	// goroutine.
	Progress func(bytes int64)
}

// ParentFile is the state of a file in an older generation of the VM. It is
// passed over if that was forgotten when the session began.
type ParentFile struct {
	Generation *Generation
	File       *format.File
}

// DataFinder tells data from holes, as lseek(2) with SEEK_DATA and SEEK_HOLE.
type DataFinder interface {
	// NextData returns the first range of data at or after off, or io.EOF.
	NextData(off int64) (start, end int64, err error)
}

// unchangedAge is how much older than the parent's reading a file's times have
// to be: a write in the clock tick of that reading would not show in them.
const unchangedAge = 2 * time.Second

// Unchanged tells whether a file's size, times and inode prove that it still
// is what its parent holds, and the repository still has that.
func (w *Writer) Unchanged(in Input) bool {
	if !w.known.trusts(in.Parent) {
		return false
	}
	f, p := in.File, in.Parent.File
	newest := max(p.ModTime, p.Changed)
	return p.Changed != 0 && p.Inode != 0 && p.Read-newest >= int64(unchangedAge) &&
		p.Size == f.Size && p.ModTime == f.ModTime && p.Changed == f.Changed && p.Inode == f.Inode && p.Device == f.Device
}

// Reuse returns the file of an Unchanged input without reading it.
func (w *Writer) Reuse(in Input) format.File {
	f, p := in.File, in.Parent.File
	f.Root, f.Allocated, f.Read = p.Root, p.Allocated, p.Read
	return f
}

// Add stores a file's content and returns its entry for the manifest. It
// returns ErrChanged when the content ends before Size.
//
// Memory: a few MiB for each core, whatever the file's size and however many
// writers of the Repo are at work, and about 20 MiB for each of these.
func (w *Writer) Add(ctx context.Context, in Input) (f format.File, err error) {
	if w.dead != nil {
		return format.File{}, fmt.Errorf("add %q: %w", in.Path, w.dead)
	}
	defer func() {
		if err != nil {
			w.dead = err
		}
	}()
	if !w.known.trusts(in.Parent) {
		in.Parent = nil
	}
	tree := format.Tree{Size: in.Size, Grain: w.repo.config.Grain}
	if in.Size > format.MaxFileSize || tree.Height() > format.MaxHeight {
		return format.File{}, fmt.Errorf("add %q: %d bytes are too many", in.Path, in.Size)
	}
	f = in.File
	f.Read = time.Now().UnixNano()
	p := &pipeline{writer: w, in: in, tree: tree, grains: max(1, batchBytes/tree.Grain)}
	if in.Parent != nil && in.Parent.File.Size > 0 {
		p.parent = w.repo.newFile(in.Parent.Generation, in.Parent.File)
	}
	if f.Root, err = p.run(ctx); err != nil {
		return format.File{}, fmt.Errorf("add %q: %w", in.Path, err)
	}
	f.Allocated = p.allocated
	w.readBytes += p.read
	return f, nil
}
