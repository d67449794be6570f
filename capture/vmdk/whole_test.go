package vmdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// An extent of each sparse kind counts as whole to its last byte of data, and
// not with one less.
func TestCheckWhole(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"monolithicSparse", "twoGbMaxExtentSparse", "streamOptimized"} {
		qemuImg(t, dir, "create", "-q", "-f", "raw", "raw", "70M")
		scatter(t, filepath.Join(dir, "raw"), 70<<20)
		qemuImg(t, dir, "convert", "-O", "vmdk", "-o", "subformat="+kind, "raw", kind+".vmdk")
		name := kind + ".vmdk"
		if kind == "twoGbMaxExtentSparse" {
			name = kind + "-s001.vmdk"
		}
		padding := int64(0)
		if kind == "streamOptimized" {
			padding = 8 << 10
		}
		checkCuts(t, kind, readAll(t, filepath.Join(dir, name)), padding)
	}
	checkCuts(t, "VMFSSPARSE", cowdExtent(), 0)
}

// An empty extent has only tables; they count, too.
func TestCheckWholeOfAnEmptyExtent(t *testing.T) {
	dir := t.TempDir()
	qemuImg(t, dir, "create", "-q", "-f", "vmdk", "empty.vmdk", "1G")
	checkCuts(t, "empty", readAll(t, filepath.Join(dir, "empty.vmdk")), 64<<10)
}

// A directory whose entries all lead to one table must not be read for hours.
func TestCheckWholeOfSharedTables(t *testing.T) {
	b := cowdExtent()
	binary.LittleEndian.PutUint32(b[12:], 1<<31) // capacity
	b = append(b, make([]byte, 4<<20)...)
	for i := range 1 << 19 {
		binary.LittleEndian.PutUint32(b[2048+4*i:], 8)
	}
	if err := CheckWhole(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrBadHeader) {
		t.Errorf("error %v", err)
	}
}

// checkCuts cuts an extent to each of some lengths; it ends with at most so much
// that no table names.
func checkCuts(t *testing.T, about string, b []byte, padding int64) {
	t.Helper()
	whole := int64(len(b))
	for _, size := range []int64{whole, whole - padding - 1, whole - padding - SectorSize, whole / 2, 4096, SectorSize, 1, 0} {
		err := CheckWhole(bytes.NewReader(b[:size]), size)
		if size == whole && err != nil {
			t.Errorf("%s, whole: %v", about, err)
		}
		if size < whole && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrBadHeader) {
			t.Errorf("%s, %d of %d bytes: error %v", about, size, whole, err)
		}
	}
}

// scatter writes a few grains to a disk, its last one too, which is whole.
func scatter(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	grain := make([]byte, 64<<10)
	for i := range grain {
		grain[i] = byte(i*i>>8 + i)
	}
	for _, at := range []int64{0, 40 << 20, size - int64(len(grain))} {
		if _, err := f.WriteAt(grain, at); err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cowdExtent has one table at sector 8, one grain of zeros, and one grain, of a
// sector, at the end.
func cowdExtent() []byte {
	b := make([]byte, 8*SectorSize+4*cowdGTEs+SectorSize)
	copy(b, cowdSample(1, 3, 100, 1, 4, 1, 41))
	binary.LittleEndian.PutUint32(b[4*SectorSize:], 8)
	binary.LittleEndian.PutUint32(b[8*SectorSize:], 1)
	binary.LittleEndian.PutUint32(b[8*SectorSize+4*50:], 8+4*cowdGTEs/SectorSize)
	return b
}

func FuzzCheckWhole(f *testing.F) {
	f.Add(cowdExtent())
	for _, name := range []string{"monolithicSparse.vmdk", "streamOptimized.vmdk"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := CheckWhole(bytes.NewReader(data), int64(len(data)))
		if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrBadHeader) {
			t.Error(err)
		}
	})
}
