//go:build linux

package fusefs_test

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"

	"granary/fusefs"
	"granary/repo"
)

// BenchmarkSequentialRead reads a disk of 512 MiB from end to end, once by dd
// from a mount and once in process, with and without its grains in the cache.
// The kernel's own cache of the mount is empty each time; that of the packs is
// not.
func BenchmarkSequentialRead(b *testing.B) {
	const size = 512 * mib
	large := &repo.Options{CacheBytes: 2 * size}
	r, dir := newRepo(b, nil)
	g := commit(b, r, "web", first, data("disk", sample(1, size)))

	read := func(b *testing.B, r *repo.Repo) {
		f, err := r.OpenFile(g, "disk")
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(f, 0, size)}, make([]byte, mib)); err != nil {
			b.Fatal(err)
		}
	}
	dd := func(b *testing.B, point string) {
		disk := filepath.Join(point, "web", first, "disk")
		if out, err := exec.Command("dd", "bs=1M", "if="+disk, "of=/dev/null", "status=none").CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	for _, c := range []struct {
		name        string
		warm, mount bool
		cache       *repo.Options
	}{
		{"process/cold", false, false, nil},
		{"mount/cold", false, true, nil},
		{"process/warm", true, false, large},
		{"mount/warm", true, true, large},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				b.StopTimer()
				r := openRepo(b, dir, c.cache)
				if c.warm {
					read(b, r)
				}
				if !c.mount {
					b.StartTimer()
					read(b, r)
					continue
				}
				point, s := mounted(b, r, &fusefs.Options{})
				b.StartTimer()
				dd(b, point)
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkOpenSmallFiles opens and reads many small files by cat.
func BenchmarkOpenSmallFiles(b *testing.B) {
	const files = 500
	r, _ := newRepo(b, nil)
	var inputs []input
	args := make([]string, 0, files)
	for i := range files {
		inputs = append(inputs, data(fmt.Sprintf("file%04d", i), sample(uint64(i), 3000)))
	}
	commit(b, r, "web", first, inputs...)
	point, _ := mounted(b, r, &fusefs.Options{})
	for _, in := range inputs {
		args = append(args, filepath.Join(point, "web", first, in.path))
	}
	for b.Loop() {
		if err := exec.Command("cat", args...).Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
