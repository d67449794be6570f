//go:build linux

package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

var deltaSuffix = regexp.MustCompile(`-\d{6}$`)

// nextDelta returns the path of the redo disk that a snapshot of disk makes:
// the lowest number that is free, as VMware counts.
func nextDelta(disk string) string {
	stem := deltaSuffix.ReplaceAllString(strings.TrimSuffix(disk, filepath.Ext(disk)), "")
	for number := 1; ; number++ {
		path := fmt.Sprintf("%s-%06d.vmdk", stem, number)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
}

// imageTool runs qemu-img.
type imageTool struct {
	guard *os.File // inherited, so that a lock on it lasts as long as anything writes
}

// CreateDelta makes the disk child, whose parent is the disk parent in the same
// directory.
func CreateDelta(ctx context.Context, parent, child string) error {
	return imageTool{}.createDelta(ctx, parent, child)
}

// createDelta makes the disk child, whose parent is the disk parent in the same
// directory. The child of a split disk is split, too.
func (t imageTool) createDelta(ctx context.Context, parent, child string) error {
	d, err := readDescriptor(parent)
	if err != nil {
		return err
	}
	subformat := "monolithicSparse"
	if strings.HasPrefix(d.field("createType"), "twoGb") {
		subformat = "twoGbMaxExtentSparse"
	}
	options := "subformat=" + subformat + ",adapter_type=lsilogic"
	return t.run(ctx, filepath.Dir(parent), "create", "-q", "-f", "vmdk", "-F", "vmdk",
		"-b", filepath.Base(parent), "-o", options, filepath.Base(child))
}

// mergeDelta writes what child holds into its parent. The child stays.
func (t imageTool) mergeDelta(ctx context.Context, child string) error {
	return t.run(ctx, filepath.Dir(child), "commit", "-q", "-d", "-f", "vmdk", filepath.Base(child))
}

// run runs qemu-img in dir. It dies with this process: nothing may write a
// disk on behalf of a caller that is gone.
func (t imageTool) run(ctx context.Context, dir string, args ...string) error {
	command := exec.CommandContext(ctx, "qemu-img", args...)
	command.Dir = dir
	if t.guard != nil {
		command.ExtraFiles = []*os.File{t.guard}
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// diskFiles returns the files of one disk, and none if it is gone already.
func diskFiles(path string) ([]string, error) {
	d, err := readDescriptor(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return d.files(), nil
}
