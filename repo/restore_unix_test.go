//go:build unix

package repo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"granary/repo"
)

// Holes stay holes: a restored disk takes the room of its data.
func TestRestoreKeepsHoles(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	const size = 1 << 30
	head, middle := sample(1, 64*kib), sample(2, 64*kib)
	disk := &sparse{size: size, ranges: map[int64][]byte{0: head, size / 2: middle}}
	g, err := store(t.Context(), r, disk, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "disk.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		t.Fatalf("restored %d bytes, %v", info.Size(), err)
	}
	if taken := info.Sys().(*syscall.Stat_t).Blocks * 512; taken < 128*kib || taken > mib {
		t.Errorf("it takes %d bytes for 128 KiB of data", taken)
	}
	for off, want := range map[int64][]byte{0: head, size / 2: middle, size/2 - 64*kib: make([]byte, 64*kib), size - 64*kib: make([]byte, 64*kib)} {
		got := make([]byte, len(want))
		if _, err := f.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
			t.Errorf("other bytes at %d, %v", off, err)
		}
	}
}
