//go:build linux

package standin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A machine's process goes by the name of VMware's, and hostVerb makes the
// program be one. It must not look like a vmrun that works on the machine:
// callers look for those.
const (
	hostName = "vmware-vmx"
	hostVerb = "machine-of-the-stand-in"
)

// bootDeadline bounds the start of a guest.
const bootDeadline = 60 * time.Second

// spawn starts the machine's process and returns when its guest writes. The
// process is detached: a session of its own, no terminal, no descriptor of
// whoever called vmrun, which might wait for its end. It does inherit the lock
// on the machine until it has booted, so that nobody comes between if this call
// is killed.
func (v *vm) spawn(lock *os.File, started func() error) error {
	for _, stale := range []string{"control", "failure"} {
		if err := os.Remove(v.path(stale)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("start guest: %w", err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	if err := unix.CloseRange(3, ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	process := &exec.Cmd{
		Path: program, Args: []string{hostName, hostVerb, v.state.dir, v.vmx}, Dir: "/",
		ExtraFiles:  []*os.File{lock},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := process.Start(); err != nil {
		return fmt.Errorf("start guest: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = process.Wait() // why it ended is in its failure file
		close(exited)
	}()
	if err := started(); err != nil {
		return err
	}
	return v.awaitWriting(exited)
}

func (v *vm) awaitWriting(exited <-chan struct{}) error {
	deadline := time.After(bootDeadline)
	for {
		if status, err := v.guestStatus(); err == nil && status.Writes > 0 {
			return nil
		}
		select {
		case <-exited:
			reason, err := os.ReadFile(v.path("failure"))
			return errors.Join(fmt.Errorf("start guest: %s", strings.TrimSpace(string(reason))), err)
		case <-deadline:
			return errors.New("start guest: it does not write")
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// hostMain is Main of a machine's process.
func hostMain(stateDir, vmx string) int {
	lock := os.NewFile(3, "lock") // see spawn
	unix.CloseOnExec(3)
	err := runHost(stateDir, vmx, lock)
	if err == nil {
		return 0
	}
	state, stateErr := New(stateDir)
	if stateErr != nil {
		return 1
	}
	if v, vmErr := state.vm(vmx); vmErr == nil {
		_ = os.WriteFile(v.path("failure"), []byte(err.Error()+"\n"), 0o644) // nobody is left to tell
		v.log("guest", err.Error())
	}
	return 1
}

// log adds a line to the machine's vmware.log. It is for whoever looks for the
// cause of a failure; that it cannot be written is not one.
func (v *vm) log(thread, text string) {
	file, err := os.OpenFile(filepath.Join(filepath.Dir(v.vmx), "vmware.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return
	}
	defer file.Close()
	fmt.Fprintf(file, "%s| %s| I125: %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), thread, text)
}
