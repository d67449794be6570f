//go:build linux

package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestLongestExtentsAreCutToTheTotalAndKeepTheirOrder(t *testing.T) {
	extents := []extent{{0, 10}, {20, 50}, {100, 30}, {200, 40}}
	for _, test := range []struct {
		total int64
		want  []extent
	}{
		{0, nil},
		{40, []extent{{20, 40}}},
		{100, []extent{{20, 50}, {100, 10}, {200, 40}}},
		{1000, extents},
	} {
		if got := longest(extents, test.total); !slices.Equal(got, test.want) {
			t.Errorf("%d bytes: %v, want %v", test.total, got, test.want)
		}
	}
}

func TestBlocksLieWhollyInTheExtents(t *testing.T) {
	got := blocksWithin([]extent{{0, 20}, {25, 4}, {29, 21}, {55, 10}}, 10)
	if want := []int64{0, 10, 30, 40}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// sparse makes a file of 4 MiB with one MiB of data at 1 MiB.
func sparse(t *testing.T, fill byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(4 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(slices.Repeat([]byte{fill}, 1<<20), 1<<20); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAllocatedExtentsHoldAllData(t *testing.T) {
	extents, err := allocated(sparse(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	// A file system without holes has the whole file as one extent.
	if !slices.Equal(extents, []extent{{1 << 20, 1 << 20}}) && !slices.Equal(extents, []extent{{0, 4 << 20}}) {
		t.Errorf("%v", extents)
	}
}

func TestWrongBytesAreFound(t *testing.T) {
	path, same, other := sparse(t, 1), sparse(t, 1), sparse(t, 2)
	if err := compareFiles(path, same); err != nil {
		t.Error(err)
	}
	if err := compareFiles(path, other); !errors.Is(err, errWrongBytes) {
		t.Errorf("other data: %v", err)
	}
	if err := os.Truncate(same, 3<<20); err != nil {
		t.Fatal(err)
	}
	if err := compareFiles(path, same); !errors.Is(err, errWrongBytes) {
		t.Errorf("other size: %v", err)
	}

	offsets := points([]int64{1 << 20, 1<<20 + blockSize}, 50, rand.New(newRandom("points")))
	sums, _, err := readPoints(path, offsets, time.Hour)
	if err != nil || len(sums) != len(offsets) {
		t.Fatalf("%d reads of %d, %v", len(sums), len(offsets), err)
	}
	if err := comparePoints(path, offsets, sums); err != nil {
		t.Error(err)
	}
	if err := comparePoints(other, offsets, sums); !errors.Is(err, errWrongBytes) {
		t.Errorf("other data at points: %v", err)
	}
}
