package capture

import (
	"context"
	"errors"
	"fmt"
	"os"

	"granary/repo"
	"granary/repo/direct"
	"granary/repo/format"
)

// source is a file that is read for capture.
type source struct {
	*os.File
	past  *direct.Reader // reads the file past the page cache
	entry format.File
	wait  func(n int) error // before n more bytes are read; may be nil
}

// limit makes reading wait for a limiter.
func (s *source) limit(ctx context.Context, limiter Limiter) {
	if limiter != nil {
		s.wait = func(n int) error { return limiter.Wait(ctx, n) }
	}
}

// ReadAt is io.ReaderAt.
func (s *source) ReadAt(b []byte, off int64) (int, error) {
	if s.wait != nil {
		if err := s.wait(len(b)); err != nil {
			return 0, err
		}
	}
	return s.past.ReadAt(b, off)
}

// Close ends the reading.
func (s *source) Close() error { return errors.Join(s.past.Close(), s.File.Close()) }

func openSource(p PlannedFile) (*source, error) {
	f, err := openRegular(p.Source)
	if err != nil {
		return nil, err
	}
	s := &source{File: f, past: direct.NewReader(f)}
	if s.entry, err = describe(p, f); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	adviseSequential(f)
	return s, nil
}

// describe is a file as the manifest will name it, but for its content.
func describe(p PlannedFile, f *os.File) (format.File, error) {
	info, err := f.Stat()
	if err != nil {
		return format.File{}, err
	}
	entry := format.File{Path: p.Path, Source: p.Source, Role: p.Role, Mode: uint32(info.Mode().Perm()),
		Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	describeSystem(&entry, info)
	return entry, nil
}

// unchanged fails when the file is not what it was when it was opened.
func (s *source) unchanged(p PlannedFile) error {
	now, err := describe(p, s.File)
	if err != nil {
		return err
	}
	was := s.entry
	if now.Size != was.Size || now.ModTime != was.ModTime {
		return fmt.Errorf("%s: %w (%d bytes before, %d after)", p.Source, repo.ErrChanged, was.Size, now.Size)
	}
	return nil
}
