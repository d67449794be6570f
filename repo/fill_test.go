package repo_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/repo"
	"granary/repo/format"
)

// endless is noise that needs no memory, other for each seed.
type endless struct{ seed uint64 }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	const block = 16 * kib
	for at := 0; at < len(p); at += block {
		part := p[at:min(at+block, len(p))]
		n := uint64(off+int64(at)) / block
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], n)
		binary.LittleEndian.PutUint64(seed[8:], e.seed)
		_, _ = rand.NewChaCha8(seed).Read(part)
	}
	return len(p), nil
}

// slow is a storage that takes its time over packs, so that buffers gather.
type slow struct{ repo.Storage }

func (s slow) Create(ctx context.Context, name string, parts ...[]byte) error {
	if strings.HasPrefix(name, format.PacksPrefix) {
		time.Sleep(200 * time.Millisecond)
	}
	return s.Storage.Create(ctx, name, parts...)
}

// fill has so many writers store so many MiB each, at once, and prints the most
// memory that the process took, in MiB.
func fill(ctx context.Context, r *repo.Repo, writers, size int) error {
	var g errgroup.Group
	for i := range writers {
		g.Go(func() error {
			w, err := r.NewWriter(ctx, "test", "fill")
			if err != nil {
				return err
			}
			f, err := w.Add(ctx, repo.Input{File: format.File{Path: "disk", Role: format.RoleDisk, Size: int64(size) * mib}, Content: endless{uint64(i)}})
			if err == nil {
				_, err = w.Commit(ctx, &format.Manifest{VM: fmt.Sprint("vm", i), Frozen: 1, Consistency: format.Offline, Files: []format.File{f}})
			}
			return errors.Join(err, w.Close())
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		var peak int
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &peak); err == nil {
			fmt.Println(peak >> 10)
			return nil
		}
	}
	return errors.New("/proc/self/status tells no VmHWM")
}
