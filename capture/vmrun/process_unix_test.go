//go:build unix

package vmrun

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// checkGroupGone fails where the last vmrun of f or its grandchild still runs.
func checkGroupGone(t *testing.T, f *fake) {
	t.Helper()
	var pids []int
	for _, c := range readCalls(f.dir) {
		pids = append(pids, c.Pid)
	}
	if raw, err := os.ReadFile(filepath.Join(f.dir, "grandchild")); err == nil {
		pid, _ := strconv.Atoi(string(raw))
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		for end := time.Now().Add(5 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("process %d still runs", pid)
				break
			}
		}
	}
}

// alive reports whether pid runs. One that is dead and not yet collected, which
// nobody may do in a container, does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	return !bytes.Contains(stat[bytes.LastIndexByte(stat, ')'):], []byte(" Z "))
}

// Nothing that granary holds reaches vmrun, not even what a library opened
// without close-on-exec.
func TestNoDescriptorInherited(t *testing.T) {
	var leaky [2]int
	if err := syscall.Pipe(leaky[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leaky[0])
	defer syscall.Close(leaky[1])
	f := newFake(t, script{"list": {lists()}})
	if _, err := f.List(context.Background()); err != nil {
		t.Fatal(err)
	}
	if fds := readCalls(f.dir)[0].Fds; len(fds) > 0 {
		t.Errorf("vmrun inherited %v", fds)
	}
}

// A vmrun in granary's process group would get the terminal's Ctrl-C.
func TestOwnSession(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"start": {{Sleep: 500}}})
	done := make(chan error, 1)
	go func() { done <- f.Start(context.Background(), f.vmx) }()
	for len(readCalls(f.dir)) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	pid := readCalls(f.dir)[0].Pid
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d of process %d, %v", group, pid, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestProgramMissing(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("\x00\x01no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, program := range []string{"no-such-vmrun", filepath.Join(dir, "absent"), plain, garbage} {
		c := &Client{Program: program}
		if _, err := c.List(context.Background()); !errors.Is(err, ErrNoProgram) {
			t.Errorf("%s: %v", program, err)
		}
		err := c.Snapshot(context.Background(), "/vm/a.vmx", "s")
		var s *SnapshotError
		if !errors.As(err, &s) || !s.Sure || s.Made || !errors.Is(err, ErrNoProgram) || s.Hint() == "" {
			t.Errorf("%s: %#v", program, err)
		}
		if err := c.Stop(context.Background(), "/vm/a.vmx", Soft); !errors.Is(err, ErrNoProgram) {
			t.Errorf("%s: %v", program, err)
		}
	}
}

// A vmrun that is only on the PATH is found, and run by its absolute path.
func TestProgramOnPath(t *testing.T) {
	f := newFake(t, script{"list": {lists()}})
	t.Setenv("PATH", f.dir)
	f.Program = ""
	if _, err := f.List(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(readCalls(f.dir)) != 1 {
		t.Error("another vmrun was run")
	}
}

func TestLongOutput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("2013-09-07T15:26:59.560| nothing to see here\n", 2*(1<<20)/45)
	f := newFake(t, script{"suspend": {{Out: []byte(long + "Error: The operation was canceled\n"), Exit: 255}}, "list": {
		{Out: []byte("Total running VMs: 1\n" + long + "/vm/a.vmx\n")}}})
	var e *Error
	if _, err := f.List(context.Background()); !errors.As(err, &e) {
		t.Errorf("a list with a lost line passed: %v", err)
	}
	err := f.Suspend(context.Background(), f.vmx, Soft)
	if !errors.Is(err, ErrCanceled) || !errors.As(err, &e) {
		t.Fatal(err)
	}
	if n := len(e.Output); n > 9<<10 {
		t.Errorf("%d bytes of output kept", n)
	}
}
