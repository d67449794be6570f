//go:build linux

package standin

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Kill ends the machine's guest as a power cut would, unknown to any call: its
// lock directories stay behind.
func (s *State) Kill(vmx string) error {
	v, err := s.vm(vmx)
	if err != nil {
		return err
	}
	return v.kill()
}

// KillAll ends every guest as a power cut would, and every call that hangs, and
// waits until the guests are gone. It is what a test does at its end.
func (s *State) KillAll() error {
	calls, err := s.Calls()
	for _, call := range calls {
		// The number may belong to another process by now.
		if call.Exit < 0 && slices.Contains(environment(call.PID), StateVariable+"="+s.dir) {
			err = errors.Join(err, killProcess(call.PID))
		}
	}
	err = errors.Join(err, killHosts(func(stateDir, _ string) bool { return stateDir == s.dir }))
	vms, vmsErr := s.machines()
	err = errors.Join(err, vmsErr)
	for _, v := range vms {
		err = errors.Join(err, v.awaitGone())
	}
	return err
}

func (v *vm) kill() error {
	err := killHosts(func(stateDir, vmx string) bool {
		other, err := v.state.vm(vmx) // its path may be another name of the same file
		return stateDir == v.state.dir && err == nil && other.dir == v.dir
	})
	return errors.Join(err, v.awaitGone())
}

// killHosts kills the machines' processes that fit, found by their command
// lines: one that is only just starting has left no other trace.
func killHosts(fits func(stateDir, vmx string) bool) error {
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return fmt.Errorf("kill guests: %w", err)
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		args := processStrings(pid, "cmdline")
		if len(args) != 4 || args[1] != hostVerb || !fits(args[2], args[3]) {
			continue
		}
		if err := killProcess(pid); err != nil {
			return err
		}
	}
	return nil
}

func killProcess(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	return nil
}

func environment(pid int) []string { return processStrings(pid, "environ") }

// processStrings reads a list of strings that the kernel keeps of a process;
// there are none if it is gone or another user's.
func processStrings(pid int, name string) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(data, []byte{0})), "\x00")
}
