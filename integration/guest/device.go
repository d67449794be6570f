//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Cache is the cache mode that qemu-nbd opens a disk with.
type Cache string

// The cache modes: Writethrough completes a write when it is durable, and is
// the default; Writeback leaves that to a flush and writes many times faster;
// Unsafe never waits for the host's disk, so only a process may be killed.
const (
	Writethrough Cache = "writethrough"
	Writeback    Cache = "writeback"
	Unsafe       Cache = "unsafe"
)

// openDeadline bounds the start of one qemu-nbd.
const openDeadline = 30 * time.Second

// Device is an open disk: a qemu-nbd child and the connection to it. The child
// ends with Close, and with this process if that is killed.
type Device struct {
	*nbdClient
	command *exec.Cmd
	stderr  bytes.Buffer
	exited  chan struct{} // closed once the child is gone
	dir     string        // private directory of the socket
}

// OpenDevice opens the VMDK at path, with its extents and parents, for reading
// and writing.
func OpenDevice(ctx context.Context, path string, cache Cache) (*Device, error) {
	return openDevice(ctx, path, nil, append(cacheFlags(cache), nameWithin(path))...)
}

func cacheFlags(cache Cache) []string {
	if cache == "" {
		cache = Writethrough
	}
	return []string{"--format=vmdk", "--cache=" + string(cache)}
}

// OpenDeviceReadOnly opens the VMDK at path for reading. It disturbs no
// lock, so it works on read-only and FUSE mounts and beside a writer.
func OpenDeviceReadOnly(ctx context.Context, path string) (*Device, error) {
	options := "driver=vmdk,read-only=on,force-share=on," + // handed on to extents and parents
		"file.driver=file,file.locking=off,file.filename=" + strings.ReplaceAll(nameWithin(path), ",", ",,")
	return openDevice(ctx, path, nil, "--read-only", "--image-opts", options)
}

// nameWithin is how qemu-nbd is told the disk at path, in whose directory it
// runs: so no character of the directory means anything to it.
func nameWithin(path string) string { return "./" + filepath.Base(path) }

// openDevice opens the disk at path by a qemu-nbd with the arguments given.
func openDevice(ctx context.Context, path string, guard *os.File, args ...string) (*Device, error) {
	ctx, cancel := context.WithTimeout(ctx, openDeadline)
	defer cancel()
	dir, err := os.MkdirTemp("", "nbd-")
	if err != nil {
		return nil, fmt.Errorf("open disk: %w", err)
	}
	d := &Device{exited: make(chan struct{}), dir: dir}
	if err := d.start(ctx, filepath.Dir(path), guard, args); err != nil {
		d.Kill()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return d, nil
}

// start runs the server in the directory given and connects to it. A socket's path may have only 107
// bytes, fewer than the temporary directories of tests: both sides name it
// through a descriptor of its directory.
func (d *Device) start(ctx context.Context, within string, guard *os.File, args []string) error {
	dir, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	d.command = exec.Command("qemu-nbd", append([]string{"--socket=/proc/self/fd/3/s"}, args...)...)
	d.command.Dir = within
	d.command.ExtraFiles = []*os.File{dir}
	if guard != nil {
		d.command.ExtraFiles = append(d.command.ExtraFiles, guard)
	}
	d.command.Stderr = &d.stderr
	d.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := d.command.Start(); err != nil {
		d.command = nil
		return err
	}
	go func() {
		_ = d.command.Wait() // how it ended is told by stderr and by the connection
		close(d.exited)
	}()
	socket := fmt.Sprintf("/proc/self/fd/%d/s", dir.Fd())
	for {
		if d.nbdClient, err = dialNBD(socket); err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return errors.New(strings.TrimSpace(d.stderr.String()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Size returns the size of the disk as the guest sees it.
func (d *Device) Size() int64 { return d.size }

// Close flushes the disk, closes it and waits for the server to end, so that
// the files may be handed to another program.
func (d *Device) Close() error {
	err := errors.Join(d.nbdClient.Close(), d.wait())
	return errors.Join(err, os.RemoveAll(d.dir))
}

func (d *Device) wait() error {
	select {
	case <-d.exited:
		return nil
	case <-time.After(nbdTimeout):
		d.Kill()
		return errors.New("qemu-nbd did not end after the disconnect")
	}
}

// Kill ends the server at once, as a power cut would.
func (d *Device) Kill() {
	if d.command != nil {
		_ = d.command.Process.Kill() // already gone is as good
		<-d.exited
	}
	if d.nbdClient != nil {
		d.conn.Close()
	}
	_ = os.RemoveAll(d.dir)
}
