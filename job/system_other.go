//go:build !unix

package job

import "os"

// isNotDir is not needed where such a path simply does not exist.
func isNotDir(error) bool { return false }

// deviceOf is not known here.
func deviceOf(os.FileInfo) (device uint64, known bool) { return 0, false }
