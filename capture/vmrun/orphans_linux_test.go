package vmrun

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphan starts program beside the Client, as a granary that is gone did.
func orphan(t *testing.T, dir, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil { // else the group's number is free again
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			cmd.Wait()
		}
	})
	return cmd
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"stop": {{Hang: true}}, "list": {{Hang: true}}})
	link := filepath.Join(f.dir, "link.vmx")
	if err := os.Symlink(f.vmx, link); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(f.dir, "wrapper")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nsleep 60\n:\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(f.vmx)
	var wanted []int
	for _, args := range [][]string{
		{"-T", "ws", "-vp", "x.vmx", "stop", f.vmx, "soft"},
		{"-T", "ws", "stop", "web.vmx"},
		{"-T", "ws", "stop", link},
	} {
		wanted = append(wanted, orphan(t, dir, f.Program, args...).Process.Pid)
	}
	wanted = append(wanted, orphan(t, dir, script, "-T", "ws", "stop", f.vmx).Process.Pid)
	orphan(t, dir, f.Program, "-T", "ws", "stop", "/vm/other.vmx")
	orphan(t, dir, f.Program, "-T", "ws", "list")
	orphan(t, dir, "sleep", "60") // another program

	// A process shows its parent's arguments until it has become another.
	var got []int
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var err error
		wrapped := *f.Client
		wrapped.Program = script
		if got, err = wrapped.Orphans(f.vmx); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(wanted)
		if slices.Equal(got, wanted) {
			break
		}
	}
	if !slices.Equal(got, wanted) {
		t.Errorf("orphans %v, want %v", got, wanted)
	}
	got, err := new(Client).Orphans(f.vmx)
	if err != nil || len(got) != 3 {
		t.Errorf("orphans %v, %v; want three of %v", got, err, wanted)
	}
}

// A vmrun is found by whichever name it was given.
func TestOrphansInDatastore(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"stop": {{Hang: true}}})
	vmx := f.file(t, "mounted/a\nb/web.vmx")
	f.HostType, f.Host, f.Datastores = "esx", "esx1", map[string]string{"ds 1": filepath.Join(f.dir, "mounted")}
	wanted := []int{
		orphan(t, "/", f.Program, "-T", "esx", "stop", "[ds 1] a\nb/web.vmx", "soft").Process.Pid,
		orphan(t, "/", f.Program, "-T", "ws", "stop", vmx, "soft").Process.Pid,
	}
	orphan(t, "/", f.Program, "-T", "esx", "stop", "[ds 1] b/web.vmx", "soft")
	slices.Sort(wanted)
	for _, name := range []string{vmx, "[ds 1] a\nb/web.vmx"} {
		var got []int
		// A process shows its parent's arguments until it has become another.
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && !slices.Equal(got, wanted); time.Sleep(10 * time.Millisecond) {
			var err error
			if got, err = f.Orphans(name); err != nil {
				t.Fatal(err)
			}
			slices.Sort(got)
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("%q: orphans %v, want %v", name, got, wanted)
		}
	}
}

func TestWaitOrphans(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"stop": {{Hang: true}}})
	if err := f.WaitOrphans(context.Background(), f.vmx); err != nil {
		t.Fatal(err)
	}
	cmd := orphan(t, f.dir, f.Program, "stop", f.vmx)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	err := f.WaitOrphans(ctx, f.vmx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), f.vmx) {
		t.Errorf("error %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- f.WaitOrphans(context.Background(), f.vmx) }()
	cmd.Process.Kill()
	cmd.Wait()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
