package repo_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"granary/repo"
)

// What a reader was lent stays as it is while others fill a small cache over and
// over, and is what lies in the file.
func TestStretchesAreWhatTheFileHolds(t *testing.T) {
	r := openRepo(t, smallRepo(t), &repo.Options{CacheBytes: 256 * kib})
	want := sample(3, 5*mib+4321)
	clear(want[mib : 2*mib+100])
	g := mustStore(t, r, want, nil)
	f, err := r.OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for seed := range uint64(6) {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(seed, 9))
			var held *repo.Stretch
			var at int64
			compare := func() {
				got := slices.Concat(held.Parts...)
				if !bytes.Equal(got, want[at:at+int64(len(got))]) {
					t.Errorf("other bytes at %d", at)
				}
				held.Release()
			}
			for range 150 {
				off := random.Int64N(int64(len(want)))
				n := 1 + random.IntN(600*kib)
				s, err := f.Stretch(off, n)
				if err != nil {
					t.Errorf("read of %d at %d: %v", n, off, err)
				}
				if got := len(slices.Concat(s.Parts...)); got != min(n, len(want)-int(off)) {
					t.Errorf("%d bytes at %d, want %d", got, off, n)
				}
				if held != nil {
					compare() // after others, and this one, have read on
				}
				held, at = s, off
			}
			compare()
		})
	}
	readers.Wait()
	s, err := f.Stretch(int64(len(want)), 1)
	if !errors.Is(err, io.EOF) || len(s.Parts) != 0 {
		t.Errorf("past the end: %d parts, %v", len(s.Parts), err)
	}
}
