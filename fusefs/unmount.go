//go:build linux

package fusefs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unmount ends the granary mount on dir, whichever process serves it, also one
// whose server has died. It returns ErrNotMounted, and ErrBusy while files or
// folders of it are in use.
func Unmount(dir string) error {
	point, err := findMount(dir)
	if err != nil {
		return err
	}
	return unmount(point, os.Geteuid() == 0, false)
}

// findMount returns the mount point that dir names. It looks at the mount's
// own root only if no other way is left.
func findMount(dir string) (string, error) {
	point, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	table, err := mountTable()
	if err != nil {
		return "", err
	}
	if at(table, point).ours() {
		return point, nil
	}
	if above, err := filepath.EvalSymlinks(filepath.Dir(point)); err == nil {
		if p := filepath.Join(above, filepath.Base(point)); at(table, p) != nil {
			return ownPoint(table, p, dir)
		}
	}
	real, err := filepath.EvalSymlinks(point)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", dir, ErrNotMounted, err)
	}
	return ownPoint(table, real, dir)
}

func ownPoint(table []mounted, point, dir string) (string, error) {
	m := at(table, point)
	if m == nil {
		return "", fmt.Errorf("%s: %w", dir, ErrNotMounted)
	}
	if !m.ours() {
		return "", fmt.Errorf("%s: %w: %s is mounted there", dir, ErrNotMounted, m.fsType)
	}
	return point, nil
}

// unmount takes what is mounted on point away; lazily also if it is in use.
func unmount(point string, direct, lazily bool) error {
	if direct {
		flags := unix.UMOUNT_NOFOLLOW
		if lazily {
			flags |= unix.MNT_DETACH
		}
		return unmountError(point, unix.Unmount(point, flags), "")
	}
	program, err := fusermount()
	if err != nil {
		return err
	}
	args := []string{"-u"}
	if lazily {
		args = append(args, "-z")
	}
	// The C locale, since busy is known by the message only.
	cmd := exec.Command(program, append(args, "--", point)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	text, err := cmd.CombinedOutput()
	return unmountError(point, err, strings.TrimSpace(string(text)))
}

func unmountError(point string, err error, text string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EBUSY), strings.Contains(text, "busy"):
		return fmt.Errorf("%s: %w", point, ErrBusy)
	case errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("%s: %w", point, ErrNotMounted) // it went meanwhile
	case text != "":
		return fmt.Errorf("unmount %s: %s (%w)", point, text, err)
	}
	return fmt.Errorf("unmount %s: %w", point, err)
}
