//go:build !linux

package direct

import "os"

// Reader is an io.ReaderAt over a file.
type Reader struct{ *os.File }

// NewReader reads f.
func NewReader(f *os.File) *Reader { return &Reader{f} }

// Close leaves the file open.
func (*Reader) Close() error { return nil }

// Write writes p at the file's cursor.
func Write(f *os.File, p []byte) (int, error) { return f.Write(p) }
