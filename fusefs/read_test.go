//go:build linux

package fusefs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"granary/repo"
)

// hugeDisk is a disk of 2 TiB with little data, its end among it.
func hugeDisk() *sparse {
	const size = 2<<40 + 512
	return &sparse{size: size, ranges: map[int64][]byte{
		mib: sample(1, 100_000), 1<<40 - 70_000: sample(2, 200_000), size - 512: sample(3, 512),
	}}
}

func TestFindsDataAndHoles(t *testing.T) {
	r, _ := newRepo(t, nil)
	huge := hugeDisk()
	commit(t, r, "web", first, input{"huge", huge, 0o644}, input{"hole", &sparse{size: 5 * mib}, 0o644},
		data("full", sample(4, 3*mib+5)), data("empty", nil))
	point, _ := mounted(t, r, nil)
	folder := filepath.Join(point, "web", first) + "/"
	const grain, tib = 65536, int64(1) << 40
	for _, c := range []struct {
		file, whence string
		from, want   []int64
	}{
		{"huge", "data", []int64{0, mib, mib + 5, mib + 2*grain, tib, tib + 2*grain, huge.size - 513, huge.size - 1, huge.size, huge.size + 1},
			[]int64{mib, mib, mib + 5, tib - 2*grain, tib, 2 * tib, 2 * tib, huge.size - 1, -1, -1}},
		{"huge", "hole", []int64{0, mib, mib + grain, mib + 2*grain, tib - 2*grain, 2 * tib, huge.size - 1, huge.size},
			[]int64{0, mib + 2*grain, mib + 2*grain, mib + 2*grain, tib + 2*grain, huge.size, huge.size, -1}},
		{"hole", "data", []int64{0, 1, 5*mib - 1, 5 * mib}, []int64{-1, -1, -1, -1}},
		{"hole", "hole", []int64{0, 5*mib - 1, 5 * mib}, []int64{0, 5*mib - 1, -1}},
		{"full", "data", []int64{0, 3*mib + 4, 3*mib + 5}, []int64{0, 3*mib + 4, -1}},
		{"full", "hole", []int64{0, 3*mib + 4, 3*mib + 5}, []int64{3*mib + 5, 3*mib + 5, -1}},
		{"empty", "data", []int64{0}, []int64{-1}},
		{"empty", "hole", []int64{0}, []int64{-1}},
	} {
		args := []string{folder + c.file, c.whence}
		for _, from := range c.from {
			args = append(args, fmt.Sprint(from))
		}
		if got := must[[]int64](t, "seek", args...); !slices.Equal(got, c.want) {
			t.Errorf("%s in %s from %d: %d, want %d", c.whence, c.file, c.from, got, c.want)
		}
	}
}

// A copy of a sparse disk is as sparse, and reads no more than its data.
func TestSparseCopies(t *testing.T) {
	r, _ := newRepo(t, nil)
	small := &sparse{size: 64 * mib, ranges: map[int64][]byte{20 * mib: sample(5, mib), 64*mib - 100: sample(6, 100)}}
	commit(t, r, "web", first, input{"huge", hugeDisk(), 0o644}, input{"small", small, 0o644})
	point, _ := mounted(t, r, nil)
	folder, to := filepath.Join(point, "web", first)+"/", t.TempDir()+"/"

	run(t, "cp", "--sparse=auto", folder+"huge", to+"huge")
	run(t, "rsync", "-S", folder+"small", to+"small")
	run(t, "tar", "-S", "-C", folder, "-cf", to+"tar", "small")
	for name, disk := range map[string]*sparse{"huge": hugeDisk(), "small": small} {
		info, err := os.Stat(to + name)
		if err != nil {
			t.Fatal(err)
		}
		if used := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != disk.size || used > 3*mib/2 {
			t.Errorf("the copy of %s has %d bytes and uses %d", name, info.Size(), used)
		}
		f, err := os.Open(to + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for at, want := range disk.ranges {
			got := make([]byte, len(want))
			if _, err := f.ReadAt(got, at); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the copy of %s has other bytes at %d, %v", name, at, err)
			}
		}
	}
	if info, err := os.Stat(to + "tar"); err != nil || info.Size() > 3*mib/2 {
		t.Errorf("a tar of holes: %v, %v", info, err)
	}
}

func TestParallelReaders(t *testing.T) {
	// Little cache, so that grains come and go.
	r, _ := newRepo(t, &repo.Options{CacheBytes: 2 * mib, PackBytes: mib})
	disk := sample(1, 24*mib+12_345)
	clear(disk[5*mib : 9*mib])
	commit(t, r, "web", first, data("disk", disk))
	point, _ := mounted(t, r, nil)
	var result any
	if err := ask(t, &result, "compare", filepath.Join(point, "web", first, "disk"), keep(t, disk)); err != nil {
		t.Error(err)
	}
}

// A damaged grain fails, and no other.
func TestDamageIsAnError(t *testing.T) {
	r, dir := newRepo(t, nil)
	disk := sample(1, 20*mib)
	commit(t, r, "web", first, data("disk", disk))
	spoil(t, dir)
	// Another opener, whose cache has nothing yet.
	for _, way := range []string{"direct", "buffered"} {
		t.Run(way, func(t *testing.T) {
			var log logged
			other := openRepo(t, dir, nil)
			options := optionsWith(&log)
			point, _ := mounted(t, other, options)
			file := filepath.Join(point, "web", first, "disk")
			bad := must[[]int](t, "damage", file, keep(t, disk), way)
			if len(bad) != 1 {
				t.Errorf("grains %v cannot be read", bad)
			}
			text := log.String()
			if strings.Count(text, "read failed") != 1 || !strings.Contains(text, "web@"+first) || !strings.Contains(text, "disk") || !strings.Contains(text, "packs/") {
				t.Errorf("the log says %s", text)
			}
		})
	}
}

// spoil flips a byte in the middle of the greatest pack.
func spoil(t *testing.T, dir string) {
	t.Helper()
	var name string
	var size int64
	err := filepath.Walk(filepath.Join(dir, "packs"), func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && info.Size() > size {
			name, size = path, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, size/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b, size/2); err != nil {
		t.Fatal(err)
	}
}
