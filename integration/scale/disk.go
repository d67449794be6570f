//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// descriptor is that of a disk of one flat extent.
func descriptor(bytes int64, extent string) []byte {
	return fmt.Appendf(nil, "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\nRW %d FLAT %q 0\n", bytes/512, extent)
}

// fill makes content that neither repeats nor compresses.
func fill(p []byte, seed uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	_, _ = rand.NewChaCha8(key).Read(p)
}

// strew is the part "strew": FILE SIZE RUNS BYTES SEED. It writes so many runs
// of so many bytes at places all over the file, and one at its very end.
func strew(_ context.Context, args []string, _ io.Writer) error {
	var n [4]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(args[i+1], 10, 64); err != nil {
			return err
		}
	}
	size, runs, bytes, seed := n[0], n[1], n[2], uint64(n[3])
	f, err := os.OpenFile(args[0], os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(size)
	random := rand.New(rand.NewPCG(seed, seed))
	p := make([]byte, bytes)
	for i := range runs {
		fill(p, seed<<32+uint64(i))
		at := random.Int64N(size/bytes) * bytes
		if i == 0 {
			at = size - bytes
		}
		_, writeErr := f.WriteAt(p, at)
		err = errors.Join(err, writeErr)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// sparseDisk measures a disk that is large and mostly empty.
func (b *bench) sparseDisk(ctx context.Context) error {
	vm := filepath.Join(b.dir, "large")
	if err := os.MkdirAll(vm, 0o700); err != nil {
		return err
	}
	flat := filepath.Join(vm, "large-flat.vmdk")
	vmx := "displayName = \"large\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"large.vmdk\"\n"
	if err := errors.Join(os.WriteFile(filepath.Join(vm, "large.vmx"), []byte(vmx), 0o600),
		os.WriteFile(filepath.Join(vm, "large.vmdk"), descriptor(b.disk, "large-flat.vmdk"), 0o600)); err != nil {
		return err
	}
	change := func(runs, bytes, seed int64) error {
		_, _, err := measure(ctx, b.self, "strew", flat, fmt.Sprint(b.disk), fmt.Sprint(runs), fmt.Sprint(bytes), fmt.Sprint(seed))
		return err
	}
	b.repo = filepath.Join(b.dir, "sparse")
	if _, err := b.run(ctx, "init", "--plaintext"); err != nil {
		return err
	}
	capture := []string{"capture", "--driver", "files", "--quiesce", "none", vm}
	b.heading("A sparse disk of %s, with 1,000 runs of 1 MiB of data strewn over it", size(b.disk))
	steps := []func() error{
		func() error { return change(1000, 1<<20, 1) },
		// A file that was written just now is read again: its times prove nothing.
		func() error { return sleep(ctx, 3*time.Second) },
		func() error { return b.command(ctx, "first `capture`", 1, capture...) },
		func() error { return b.command(ctx, "`capture`, nothing changed", 1, capture...) },
		func() error {
			return b.command(ctx, "`capture --full-scan`, nothing changed", 1, append(capture, "--full-scan")...)
		},
		func() error { return change(50, 64<<10, 2) },
		func() error { return b.command(ctx, "`capture` after 50 writes of 64 KiB", 1, capture...) },
		func() error { return b.command(ctx, "`check --read-data`", 1, "check", "--read-data") },
		func() error {
			return b.mounted(ctx, func(point string) error {
				return b.look(filepath.Join(point, "large", "latest", "large-flat.vmdk"), flat)
			})
		},
		func() error {
			return b.command(ctx, "`restore`", 1, "restore", "large", "--to", filepath.Join(b.dir, "restored"))
		},
		func() error { return b.files("All", b.repo) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// look reads the end of a disk in the mount, and finds all of its data.
func (b *bench) look(mounted, original string) error {
	f, err := os.Open(mounted)
	if err != nil {
		return err
	}
	defer f.Close()
	p := make([]byte, 64<<10)
	began := time.Now()
	if _, err := f.ReadAt(p, b.disk-int64(len(p))); err != nil {
		return err
	}
	b.row("read its last 64 KiB through the mount", sample{took: time.Since(began)})
	began = time.Now()
	runs, err := dataRuns(f)
	if err != nil {
		return err
	}
	b.row(fmt.Sprintf("find its %d runs of data through the mount", runs), sample{took: time.Since(began)})
	o, err := os.Open(original)
	if err != nil {
		return err
	}
	defer o.Close()
	began = time.Now()
	if _, err := dataRuns(o); err != nil {
		return err
	}
	b.row("the same in the original file", sample{took: time.Since(began)})
	return nil
}

// dataRuns counts the runs of data between holes.
func dataRuns(f *os.File) (runs int, err error) {
	for at := int64(0); ; runs++ {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return runs, nil
		}
		if err == nil {
			at, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		}
		if err != nil {
			return runs, fmt.Errorf("find data: %w", err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
