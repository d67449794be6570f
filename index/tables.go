package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkTables refuses tables whose ends cannot be right. Badger opens tables
// in goroutines of its own, and a panic there ends the process. A table ends
// with: index, u32 its length, checksum of it, u32 the checksum's length, both
// numbers big-endian; what the checksum covers Badger verifies itself.
func checkTables(dir string) error {
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return err
	}
	for _, table := range tables {
		err := checkTable(table)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Badger says so itself
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}

var errTable = errors.New("its end is damaged")

func checkTable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	left := info.Size()
	lengthAt := func(end int64) (int64, error) {
		var b [4]byte
		if end < 4 {
			return 0, errTable
		}
		_, err := f.ReadAt(b[:], end-4)
		return int64(be.Uint32(b[:])), err
	}
	for range 2 {
		n, err := lengthAt(left)
		if err != nil {
			return err
		}
		if left -= 4 + n; left < 0 {
			return errTable
		}
	}
	return nil
}
