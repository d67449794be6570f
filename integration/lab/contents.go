//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"granary/integration/guest"
)

// blockSize is the piece in which a disk's front is read, compared and written.
const blockSize = 64 << 10

// front is the file system of a disk, copied into a raw file.
type front struct {
	dir string
	raw string
}

// openFront copies the file system of device out. close it.
func openFront(device *guest.Device) (*front, error) {
	dir, err := os.MkdirTemp("", "front-")
	if err != nil {
		return nil, err
	}
	f := &front{dir: dir, raw: filepath.Join(dir, "raw")}
	if err := f.fill(device); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *front) close() error { return os.RemoveAll(f.dir) }

func (f *front) fill(device *guest.Device) error {
	raw, err := os.Create(f.raw)
	if err != nil {
		return err
	}
	defer raw.Close()
	size := device.Size() - guest.RegionSize
	if err := raw.Truncate(size); err != nil {
		return err
	}
	block, zero := make([]byte, blockSize), make([]byte, blockSize)
	for at := int64(0); at < size; at += blockSize {
		if _, err := device.ReadAt(block, at); err != nil {
			return err
		}
		if bytes.Equal(block, zero) {
			continue
		}
		if _, err := raw.WriteAt(block, at); err != nil {
			return err
		}
	}
	return nil
}

// writeBack writes to device what has changed.
func (f *front) writeBack(device *guest.Device) error {
	raw, err := os.Open(f.raw)
	if err != nil {
		return err
	}
	defer raw.Close()
	wanted, present := make([]byte, blockSize), make([]byte, blockSize)
	for at := int64(0); at < device.Size()-guest.RegionSize; at += blockSize {
		if _, err := raw.ReadAt(wanted, at); err != nil {
			return err
		}
		if _, err := device.ReadAt(present, at); err != nil {
			return err
		}
		if bytes.Equal(wanted, present) {
			continue
		}
		if _, err := device.WriteAt(wanted, at); err != nil {
			return err
		}
	}
	return device.Flush()
}

// withFront calls use with a copy of the disk's file system.
func withFront(ctx context.Context, disk string, use func(*front) error) error {
	device, err := guest.OpenDeviceReadOnly(ctx, disk)
	if err != nil {
		return err
	}
	defer device.Kill() // read-only: there is nothing to lose
	f, err := openFront(device)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.close())
}

// CheckFilesystem checks the ext4 on the disk, a restored one as well, without
// changing it.
func CheckFilesystem(ctx context.Context, disk string) error {
	err := withFront(ctx, disk, func(f *front) error {
		return run(ctx, "e2fsck", "-f", "-n", f.raw)
	})
	if err != nil {
		return fmt.Errorf("check file system of %s: %w", disk, err)
	}
	return nil
}

// ReadFile returns a file inside the ext4 on the disk.
func ReadFile(ctx context.Context, disk, name string) (data []byte, err error) {
	err = withFront(ctx, disk, func(f *front) (err error) {
		data, err = output(ctx, "debugfs", "-R", "cat "+name, f.raw)
		return err
	})
	if err == nil && len(data) == 0 {
		err = errors.New("no such file, or an empty one")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s in %s: %w", name, disk, err)
	}
	return data, nil
}

// ChangeFiles changes the file system of disk number of the machine, which must
// be off: it writes a new file of the size given, with content that follows from
// seed, and removes one older file. Only blocks that change are written.
func ChangeFiles(ctx context.Context, vm *VM, number int, seed string, size int) error {
	if err := changeFiles(ctx, vm, number, seed, size); err != nil {
		return fmt.Errorf("change files of %s: %w", vm.Name, err)
	}
	return nil
}

func changeFiles(ctx context.Context, vm *VM, number int, seed string, size int) error {
	disks, err := vm.Disks()
	if err != nil {
		return err
	}
	if number < 0 || number >= len(disks) {
		return fmt.Errorf("no disk %d", number)
	}
	device, err := guest.OpenDevice(ctx, disks[number], guest.Writeback)
	if err != nil {
		return err
	}
	f, err := openFront(device)
	if err != nil {
		return errors.Join(err, device.Close())
	}
	err = f.edit(ctx, seed, size)
	if err == nil {
		err = f.writeBack(device)
	}
	return errors.Join(err, f.close(), device.Close())
}

// edit adds the file /var/SEED and removes one of those under /srv, a different
// one for most seeds.
func (f *front) edit(ctx context.Context, seed string, size int) error {
	random := seeded(seed)
	name := strings.Map(func(r rune) rune {
		if r == '/' || r <= ' ' {
			return '_'
		}
		return r
	}, seed)
	source, script := filepath.Join(f.dir, "new"), filepath.Join(f.dir, "script")
	if err := writeFile(source, fileContent(random, size)); err != nil {
		return err
	}
	victim := random.IntN(12)
	commands := fmt.Sprintf("rm /srv/d%d/file%02d\nrm /var/%s\nwrite %s /var/%s\n", victim%3, victim, name, source, name)
	if err := os.WriteFile(script, []byte(commands), 0o644); err != nil {
		return err
	}
	// debugfs reports what is not there to be removed, and goes on.
	return run(ctx, "debugfs", "-w", "-f", script, f.raw)
}
