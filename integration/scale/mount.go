//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// mount mounts the repository, looks about, and unmounts it.
func (b *bench) mount(ctx context.Context, vm string) error {
	return b.mounted(ctx, func(point string) error {
		latest := ""
		steps := []struct {
			name string
			do   func() error
		}{
			{"`ls MOUNT`", func() error { return readDir(point) }},
			{"`ls MOUNT/VM`", func() error { return readDir(filepath.Join(point, vm)) }},
			{"`stat` of a disk in the newest generation", func() (err error) {
				if latest, err = os.Readlink(filepath.Join(point, vm, "latest")); err == nil {
					_, err = os.Stat(filepath.Join(point, vm, latest, vm+"-flat.vmdk"))
				}
				return err
			}},
			{"`ls -l` of that generation", func() error { return statAll(filepath.Join(point, vm, latest)) }},
			{"`ls MOUNT/*/`, all generations", func() error { return readDirs(point) }},
		}
		for _, step := range steps {
			began := time.Now()
			if err := step.do(); err != nil {
				return err
			}
			b.row(step.name, sample{took: time.Since(began)})
		}
		return nil
	})
}

// mounted runs do while the repository is mounted. The first row is the time
// until the mount answers, the last the memory of the process that served it.
func (b *bench) mounted(ctx context.Context, do func(point string) error) (err error) {
	point := filepath.Join(b.dir, "mount")
	if err := os.MkdirAll(point, 0o700); err != nil {
		return err
	}
	if err := b.command(ctx, "`mount -d` until it answers", 1, "mount", "-d", point); err != nil {
		return err
	}
	defer func() {
		_, unmountErr := b.run(context.WithoutCancel(ctx), "umount", point)
		err = errors.Join(err, unmountErr)
	}()
	if err := do(point); err != nil {
		return err
	}
	pid, err := serving(point)
	if err != nil {
		return err
	}
	spent, err := cpuTime(pid)
	if err != nil {
		return err
	}
	b.row("the process that serves the mount", sample{cpu: spent, peak: memory(pid, "VmHWM"), own: memory(pid, "RssAnon")})
	return nil
}

// serving finds the process that was started to mount on a folder.
func serving(point string) (pid int, err error) {
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, p := range processes {
		line, err := os.ReadFile(p)
		if err == nil && strings.HasSuffix(string(line), "\x00mount\x00-d\x00"+point+"\x00") {
			return strconv.Atoi(strings.Split(p, "/")[2])
		}
	}
	return 0, fmt.Errorf("no process serves %s", point)
}

func readDir(dir string) error {
	_, err := os.ReadDir(dir)
	return err
}

func readDirs(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, readDir(filepath.Join(dir, e.Name())))
	}
	return err
}

func statAll(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		_, infoErr := e.Info()
		err = errors.Join(err, infoErr)
	}
	return err
}
