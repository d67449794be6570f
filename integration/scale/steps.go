//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// mostChecked is the size of the largest repository that is checked: it takes
// hours to check one of 10^8 grains, and shows nothing new.
const mostChecked = 20_000_000

// repository measures one repository of so many grains.
func (b *bench) repository(ctx context.Context, grains int64) error {
	shape := shapeOf(grains)
	b.repo = filepath.Join(b.dir, fmt.Sprint(grains))
	if _, _, err := measure(ctx, b.self, "make", b.repo, fmt.Sprint(grains)); err != nil {
		return err
	}
	b.heading("Repository of %d grains: %d VMs of %d generations each, %d grains new in each but the first", grains, shape.vms, shape.generations, shape.changed())
	steps := []func() error{
		func() error { return b.command(ctx, "`rebuild-index`", 1, "rebuild-index") },
		func() error { return b.part(ctx, "index", b.repo) },
		func() error { return b.command(ctx, "`list`", b.times, "list") },
		func() error { return b.command(ctx, "`list` of one VM", b.times, "list", shape.vm(0)) },
		func() error { return b.command(ctx, "`stats`", b.times, "stats") },
		func() error { return b.command(ctx, "`status`", b.times, "status") },
		func() error { return b.mount(ctx, shape.vm(shape.vms-1)) },
		func() error {
			if grains > mostChecked {
				return nil
			}
			return b.command(ctx, "`check`", 1, "check")
		},
		func() error { return b.part(ctx, "session", b.repo) },
		func() error { return b.smallCapture(ctx) },
		func() error { return b.part(ctx, "merge", b.repo) },
		func() error { return b.files("Index", filepath.Join(b.repo, "index")) },
		func() error { return b.files("All", b.repo) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// smallCapture captures a VM of 16 MiB that changes each time.
func (b *bench) smallCapture(ctx context.Context) error {
	dir := filepath.Join(b.dir, "small")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	vmx := "displayName = \"small\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"small.vmdk\"\n"
	if err := os.WriteFile(filepath.Join(dir, "small.vmx"), []byte(vmx), 0o600); err != nil {
		return err
	}
	const bytes = 16 << 20
	if err := os.WriteFile(filepath.Join(dir, "small.vmdk"), descriptor(bytes, "small-flat.vmdk"), 0o600); err != nil {
		return err
	}
	var samples []sample
	for range b.times {
		content := make([]byte, bytes)
		fill(content, uint64(time.Now().UnixNano()))
		if err := os.WriteFile(filepath.Join(dir, "small-flat.vmdk"), content, 0o600); err != nil {
			return err
		}
		s, err := b.run(ctx, "capture", "--driver", "files", "--quiesce", "none", dir)
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	b.row("`capture` of a VM of 16 MiB", samples...)
	return nil
}

// allocated is what a file takes on the disk.
func allocated(e os.DirEntry) (int64, error) {
	info, err := e.Info()
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512, nil
}
