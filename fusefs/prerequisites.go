//go:build linux

package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

const (
	fuseDevice = "/dev/fuse"
	fuseConfig = "/etc/fuse.conf"
)

// checkPrerequisites says what this host lacks, before the repository is read.
// Root mounts by itself, others through fusermount3.
func checkPrerequisites(direct, allowOther bool) error {
	f, err := os.OpenFile(fuseDevice, os.O_RDWR, 0)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return missingDevice(err)
	}
	if direct {
		return nil
	}
	if _, err := fusermount(); err != nil {
		return err
	}
	if allowOther && !othersAllowed(fuseConfig) {
		return fmt.Errorf("%w for other users: the administrator has to write the line user_allow_other to %s", ErrNoFUSE, fuseConfig)
	}
	return nil
}

func missingDevice(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return fmt.Errorf("%w: %w: load the kernel's module (modprobe fuse); a container needs --device %s", ErrNoFUSE, err, fuseDevice)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w: become root, or have the administrator let this user read and write %s", ErrNoFUSE, err, fuseDevice)
	}
	return fmt.Errorf("%w: %w", ErrNoFUSE, err)
}

// fusermount finds the program that mounts for users who may not.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "/bin/fusermount3", "fusermount", "/bin/fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: fusermount3 is missing: install the package fuse3, or become root", ErrNoFUSE)
}

// othersAllowed tells whether a configuration lets users admit others.
func othersAllowed(config string) bool {
	b, err := os.ReadFile(config)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		if string(bytes.TrimSpace(line)) == "user_allow_other" {
			return true
		}
	}
	return false
}
