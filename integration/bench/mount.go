//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// mounted is a repository that a tool shows as a file system.
type mounted struct {
	disk    string // the disk of the newest capture in it
	at      string
	process *exec.Cmd
	said    bytes.Buffer
	exited  chan struct{}
	err     error // of the process; to be read once exited
	cancel  context.CancelFunc
}

// mountTime bounds how long a mount may take to answer, and to go.
const mountTime = 2 * time.Minute

// openMounted starts the tool's mount at a new folder and waits until the disk is
// seen. Close ends it. Once ctx or the deadline is over the process is killed,
// which ends whoever reads.
func openMounted(ctx context.Context, t tool, p place, at string) (*mounted, error) {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	m := &mounted{disk: filepath.Join(at, t.mounted), at: at, exited: make(chan struct{}), cancel: cancel}
	c := t.mount(p, at)
	m.process = c.prepare(ctx, &m.said, &m.said)
	if err := m.process.Start(); err != nil {
		cancel()
		return nil, err
	}
	go func() {
		m.err = m.process.Wait()
		close(m.exited)
	}()
	answers := time.After(mountTime)
	for {
		if _, err := os.Stat(m.disk); err == nil {
			return m, nil
		}
		select {
		case <-m.exited:
			err := c.complain(ctx, errors.Join(m.err, errors.New("it ended")), &m.said)
			return nil, errors.Join(err, m.close())
		case <-answers:
			return nil, errors.Join(fmt.Errorf("mount: no disk %s after %s", t.mounted, mountTime), m.close())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// peakMiB is the most memory that the process which serves the mount had so far.
func (m *mounted) peakMiB() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("find its memory: %w", err)
	}
	found := peakLine.FindSubmatch(status)
	if found == nil {
		return 0, errors.New("find its memory: no VmHWM")
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	return kib / 1024, err
}

// close unmounts, which ends the process, and kills it if that does not do.
// (An interrupt is no way: programs in the background ignore it.)
func (m *mounted) close() error {
	defer m.cancel()
	patience := time.After(mountTime)
	for {
		_ = unix.Unmount(m.at, 0) // tried again while it is busy; it may be gone already
		select {
		case <-m.exited:
			unmountAll(m.at)
			return nil
		case <-patience:
			_ = m.process.Process.Kill()
			<-m.exited
			unmountAll(m.at)
			return fmt.Errorf("unmount: the program did not end within %s", mountTime)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// unmountAll takes away what is mounted at a folder, if anything is: the rest of
// a program that was killed.
func unmountAll(at string) {
	for unix.Unmount(at, unix.MNT_DETACH) == nil {
	}
}
