//go:build unix

package job

import (
	"errors"
	"os"
	"syscall"
)

// isNotDir tells whether a path leads through a file.
func isNotDir(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

// deviceOf tells the file system that a file is on.
func deviceOf(info os.FileInfo) (device uint64, known bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return uint64(stat.Dev), true
}
