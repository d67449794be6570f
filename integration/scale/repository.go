//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// maker makes a repository.
type maker struct {
	dir    string
	id     format.RepoID
	random *rand.ChaCha8
}

func newMaker(ctx context.Context, dir string) (*maker, error) {
	if err := repo.Init(ctx, dir, plainGrain); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, format.ConfigName))
	if err != nil {
		return nil, err
	}
	config, err := format.ParseConfig(b)
	return &maker{dir: dir, id: config.Repo, random: rand.NewChaCha8([32]byte{})}, err
}

// randomID stands for the ID of a grain that no other grain equals.
func (m *maker) randomID() (id format.ID) {
	_, _ = m.random.Read(id[:]) // never fails
	return id
}

// makeRepository is the part "make": DIR GRAINS.
func makeRepository(ctx context.Context, args []string, _ io.Writer) error {
	grains, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	m, err := newMaker(ctx, args[0])
	if err != nil {
		return err
	}
	s := shapeOf(grains)
	for i := range s.vms {
		if err := m.vm(ctx, s, i); err != nil {
			return fmt.Errorf("make VM %d: %w", i, err)
		}
	}
	return nil
}

// vm makes the generations of one VM: a day between two, and runs of grains
// changed at places of the disk.
func (m *maker) vm(ctx context.Context, s shape, number int) error {
	disk := newTree(s.disk())
	small := smallFiles(s.vm(number))
	for day := range s.generations {
		if err := ctx.Err(); err != nil {
			return err
		}
		w, err := newSession(m.dir, m.id)
		if err != nil {
			return err
		}
		if day == 0 {
			for i := range s.disk() {
				if err := m.change(w, disk, i); err != nil {
					return err
				}
			}
		} else if err := m.changeRuns(w, disk, s.changed()); err != nil {
			return err
		}
		root, err := disk.update(w.node)
		if err != nil {
			return err
		}
		for i := range small {
			// Only the log changes each day.
			if f := &small[i]; day == 0 || f.Role == format.RoleLog {
				f.Root = m.randomID()
				if err := w.grain(f.Root, int(f.Size)); err != nil {
					return err
				}
			}
		}
		if err := w.commit(manifest(s, number, day, root, small)); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) change(w *session, disk *tree, i int) error {
	id := m.randomID()
	disk.set(i, id)
	return w.grain(id, plainGrain)
}

// changeRuns changes count grains in runs of 128, which is 8 MiB.
func (m *maker) changeRuns(w *session, disk *tree, count int) error {
	size := len(disk.levels[0])
	for count > 0 {
		run := min(128, count, size)
		first := int(m.random.Uint64() % uint64(size-run+1))
		for i := range run {
			if err := m.change(w, disk, first+i); err != nil {
				return err
			}
		}
		count -= run
	}
	return nil
}

// smallFiles are those beside a VM's disk, without their content.
func smallFiles(vm string) []format.File {
	file := func(name string, role format.Role, size int64) format.File {
		return format.File{Path: vm + name, Source: "/vms/" + vm + "/" + vm + name, Role: role, Mode: 0o600, Size: size, Allocated: size,
			ModTime: epoch, Changed: epoch, Inode: 4711, Device: 2049, Read: epoch}
	}
	return []format.File{file(".log", format.RoleLog, 60_000), file(".nvram", format.RoleOther, 8_684), file(".vmdk", format.RoleDisk, 512), file(".vmx", format.RoleConfig, 2_800)}
}

// epoch is when the first generation was made, ns since 1970.
var epoch = time.Date(2026, 1, 1, 2, 0, 0, 0, time.UTC).UnixNano()

func manifest(s shape, number, day int, root format.ID, small []format.File) *format.Manifest {
	vm := s.vm(number)
	frozen := epoch + int64(day)*int64(24*time.Hour) + int64(number)*int64(time.Minute)
	size := int64(s.disk()) * plainGrain
	flat := small[0]
	flat.Path, flat.Source, flat.Role = vm+"-flat.vmdk", "/vms/"+vm+"/"+vm+"-flat.vmdk", format.RoleDisk
	flat.Size, flat.Allocated, flat.Root = size, size, root
	return &format.Manifest{Frozen: frozen, Started: frozen - int64(10*time.Second), Finished: frozen + int64(time.Minute), Downtime: int64(7 * time.Second),
		Consistency: format.Clean, VM: vm,
		Facts: []format.Fact{{Key: "driver", Value: "vmrun"}, {Key: "granary", Value: "granary 1.0"}, {Key: "host", Value: "esx1"},
			{Key: "quiesce", Value: "stop-snapshot"}, {Key: "vm.path", Value: "/vms/" + vm + "/" + vm + ".vmx"}},
		// '-' sorts before '.'.
		Files: append([]format.File{flat}, small...)}
}
