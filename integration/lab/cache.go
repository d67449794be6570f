//go:build linux

package lab

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// maximumCached bounds the disks that are kept, of some 4 MiB each.
const maximumCached = 16

// diskKey is all that a new disk follows from.
type diskKey struct {
	name, subformat string
	size            int64
	number, disks   int
}

// diskCache keeps disks that this process has made, because tests make the same
// ones over and over.
type diskCache struct {
	mu    sync.Mutex
	disks map[diskKey][]sparseFile
}

var made = diskCache{disks: map[diskKey][]sparseFile{}}

func (c *diskCache) get(key diskKey) ([]sparseFile, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	files, ok := c.disks[key]
	return files, ok
}

func (c *diskCache) put(key diskKey, files []sparseFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.disks) >= maximumCached {
		for other := range c.disks { // any one
			delete(c.disks, other)
			break
		}
	}
	c.disks[key] = files
}

// sparseFile is a file in memory, without its holes.
type sparseFile struct {
	name  string
	size  int64
	parts []part
}

type part struct {
	at   int64
	data []byte
}

func readSparse(path string) (f sparseFile, err error) {
	file, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	f = sparseFile{name: filepath.Base(path), size: info.Size()}
	for end := int64(0); ; {
		start, err := file.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if end, err = file.Seek(start, unix.SEEK_HOLE); err != nil {
			return f, err
		}
		data := make([]byte, end-start)
		if _, err := io.ReadFull(io.NewSectionReader(file, start, end-start), data); err != nil {
			return f, err
		}
		f.parts = append(f.parts, part{start, data})
	}
}

func (f sparseFile) write(dir string) error {
	file, err := os.Create(filepath.Join(dir, f.name))
	if err != nil {
		return err
	}
	err = file.Truncate(f.size)
	for _, p := range f.parts {
		if err == nil {
			_, err = file.WriteAt(p.data, p.at)
		}
	}
	return errors.Join(err, file.Close())
}

// readSparseFiles reads every file in dir.
func readSparseFiles(dir string) ([]sparseFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []sparseFile
	for _, entry := range entries {
		f, err := readSparse(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}
