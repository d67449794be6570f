//go:build !linux

package capture

import (
	"io"
	"os"

	"granary/repo/format"
)

func describeSystem(*format.File, os.FileInfo) {}

func adviseSequential(*os.File) {}

// NextData is repo.DataFinder: without a way to ask, all is data.
func (s *source) NextData(off int64) (start, end int64, err error) {
	if off >= s.entry.Size {
		return 0, 0, io.EOF
	}
	return off, s.entry.Size, nil
}
