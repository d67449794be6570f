//go:build !race

package repo_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/repo"
	"granary/repo/format"
)

// endless is content that needs no memory: blocks of 16 KiB that occur nowhere
// else, of noise or, where it is thin, of next to nothing.
type endless struct {
	seed uint64
	thin bool
}

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	const block = 16 * kib
	for at := 0; at < len(p); at += block {
		part := p[at:min(at+block, len(p))]
		n := uint64(off+int64(at)) / block
		if e.thin {
			clear(part)
			binary.LittleEndian.PutUint64(part, n)
			binary.LittleEndian.PutUint64(part[8:], e.seed)
			continue
		}
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], n)
		binary.LittleEndian.PutUint64(seed[8:], e.seed)
		_, _ = rand.NewChaCha8(seed).Read(part)
	}
	return len(p), nil
}

// fill has so many writers store so many MiB each, at once, and says how much
// memory the process took at most.
func fill(ctx context.Context, r *repo.Repo, writers, size int, thin bool) error {
	began := time.Now()
	var g errgroup.Group
	for i := range writers {
		g.Go(func() error {
			w, err := r.NewWriter(ctx, "test", "fill")
			if err != nil {
				return err
			}
			f, err := w.Add(ctx, repo.Input{File: format.File{Path: "disk", Role: format.RoleDisk, Size: int64(size) * mib}, Content: endless{uint64(i), thin}})
			if err == nil {
				_, err = w.Commit(ctx, &format.Manifest{VM: fmt.Sprint("vm", i), Frozen: 1, Consistency: format.Offline, Files: []format.File{f}})
			}
			return errors.Join(err, w.Close())
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		var peak int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &peak); err == nil {
			fmt.Println(peak>>10, m.NumGC, m.HeapSys>>20, time.Since(began).Seconds())
			return nil
		}
	}
	return errors.New("/proc/self/status tells no VmHWM")
}

func TestMemoryOfWritersZZ(t *testing.T) {
	for _, thin := range []bool{false, true} {
		for _, writers := range []int{1, 3, 8} {
			dir := filepath.Join(t.TempDir(), "repo")
			if err := repo.Init(t.Context(), dir, 16*kib); err != nil {
				t.Fatal(err)
			}
			out, err := process(t.Context(), "fill", dir, thin, writers, map[bool]int{false: 300, true: 4500}[thin]).Output()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("thin %v, %d writers: %s", thin, writers, out)
			os.RemoveAll(dir)
		}
	}
}
