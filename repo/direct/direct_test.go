package direct

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// folders are on file systems that can read past their cache and that maybe
// cannot.
func folders(t *testing.T) []string {
	dirs := []string{t.TempDir()}
	if shm, err := os.MkdirTemp("/dev/shm", "granary-direct-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(shm) })
		dirs = append(dirs, shm)
	}
	return dirs
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestBuffersAreAligned(t *testing.T) {
	for _, n := range []int{1, 4095, 4096, 4097, 1 << 20} {
		b := Buffer(n)
		if len(b) != n || !aligned(b) || cap(b)%Alignment != 0 || cap(b)-n >= Alignment {
			t.Errorf("%d bytes wanted: length %d, capacity %d, address %x", n, len(b), cap(b), address(b))
		}
	}
}

// What comes through is the same, aligned or not, up to the file's end and past
// it.
func TestReads(t *testing.T) {
	want := random(5*Alignment + 123)
	for _, dir := range folders(t) {
		name := filepath.Join(dir, "file")
		if err := os.WriteFile(name, want, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := NewReader(f)
		if err := os.Remove(name); err != nil { // its name plays no part
			t.Fatal(err)
		}
		for _, off := range []int{0, 1, 512, Alignment, 3 * Alignment, 5 * Alignment, 5*Alignment + 100, len(want), len(want) + 1, 7 * Alignment} {
			for _, n := range []int{1, 512, Alignment, 2 * Alignment, 8 * Alignment} {
				for _, skew := range []int{0, 1} {
					p := Buffer(n + skew)[skew:]
					got, err := r.ReadAt(p, int64(off))
					expected := want[min(off, len(want)):min(off+n, len(want))]
					if !bytes.Equal(p[:got], expected) || (got < n) != errors.Is(err, io.EOF) || err != nil && !errors.Is(err, io.EOF) {
						t.Errorf("%d bytes at %d, memory skewed by %d: %d bytes, %v", n, off, skew, got, err)
					}
				}
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.Stat(); err != nil {
			t.Errorf("the file is closed, too: %v", err)
		}
	}
}

// What is written, piece after piece, is what is read then, through the cache.
func TestWrites(t *testing.T) {
	for _, dir := range folders(t) {
		for _, pieces := range [][]int{{Alignment}, {1}, {3*Alignment + 5, 7, Alignment}, {Alignment, 2 * Alignment, 100}, {5, Alignment}} {
			f, err := os.Create(filepath.Join(dir, "file"))
			if err != nil {
				t.Fatal(err)
			}
			var want []byte
			for _, n := range pieces {
				p := Buffer(n)
				copy(p, random(n))
				want = append(want, p...)
				if got, err := Write(f, p); got != n || err != nil {
					t.Errorf("write %d bytes: %d, %v", n, got, err)
				}
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(f.Name()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("pieces of %v: other bytes, %v", pieces, err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
