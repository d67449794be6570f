//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	diskSize     = 6 << 30
	filesystemID = "6772616e-6172-7920-6265-6e6368000001"
)

// birthday is the time that the guest's file system was made at.
var birthday = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fixedTime makes mkfs write no other time; older ones know the second only.
func fixedTime() []string {
	return []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", birthday.Unix()), fmt.Sprintf("E2FSPROGS_FAKE_TIME=%d", birthday.Unix())}
}

// makeFirst makes state 1: the tree in an ext4.
func (d *data) makeFirst(ctx context.Context) error {
	disk := d.statePath(1)
	f, err := os.Create(disk)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return err
	}
	// All is initialised at once: else the kernel would do it while the disk is mounted.
	err = tell(ctx, "mkfs.ext4", "-q", "-F", "-d", d.tree(), "-U", filesystemID,
		"-E", "hash_seed="+filesystemID+",root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0", disk)
	if err != nil {
		return err
	}
	return os.RemoveAll(d.tree())
}

func (d *data) guest() string { return filepath.Join(d.dir, "guest") }

// inGuest makes a state from the one before it by work in its file system, whose
// root work is given.
func (d *data) inGuest(ctx context.Context, state int, work func(root string) error) error {
	if err := tell(ctx, "cp", "--sparse=auto", d.statePath(state-1), d.statePath(state)); err != nil {
		return err
	}
	if err := tell(ctx, "mount", "-o", "loop,noatime", d.statePath(state), d.guest()); err != nil {
		return err
	}
	err := work(d.guest())
	if err == nil {
		err = syncFilesystem(d.guest())
	}
	// Not with ctx: an interrupt must not leave it mounted.
	if err := errors.Join(err, tell(context.WithoutCancel(ctx), "umount", d.guest())); err != nil {
		return fmt.Errorf("make state %d: %w", state, err)
	}
	return nil
}

// makeVM makes the virtual machine around the disk.
func (d *data) makeVM(ctx context.Context) error {
	descriptor := filepath.Join(d.vm(), "web.vmdk")
	if err := tell(ctx, "qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", descriptor, fmt.Sprint(diskSize)); err != nil {
		return err
	}
	const vmx = `.encoding = "UTF-8"
config.version = "8"
virtualHW.version = "4"
displayName = "web"
scsi0.present = "TRUE"
scsi0:0.present = "TRUE"
scsi0:0.fileName = "web.vmdk"
`
	if err := os.WriteFile(filepath.Join(d.vm(), "web.vmx"), []byte(vmx), 0o644); err != nil {
		return err
	}
	return d.show(1)
}
