//go:build unix

package process

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// rootDir is a directory that nobody wants to unmount.
const rootDir = "/"

// detach gives cmd a session of its own, and with it a process group. The
// terminal sends Ctrl-C to the group in its foreground: granary gets it and can
// bring the virtual machine back, the program does not, and ends what it began. The
// group is also what is killed at the deadline. A session rather than only a
// group takes the terminal away: a password prompt would otherwise stop
// the background group with SIGTTIN and hang.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}

// terminateGroup asks cmd and everything it started to end. SIGCONT lets those
// that are stopped hear it.
func terminateGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT)
	return err
}

// killGroup kills cmd and everything it started that is still in its group.
// vmware-vmx, which is the virtual machine, leaves the group when it starts.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// closeOnExec marks every descriptor but the standard three. Go marks those it
// opens itself; those that granary was started with, or that a library opened
// by a bare system call, would reach the virtual machine and live as long as
// it: a lock file would stay locked, a pipe would stay open. A child that is
// meant to get a descriptor by ExtraFiles still gets it: that is a copy.
func closeOnExec() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}

// decode returns a program's output as it is. Paths are bytes on Unix, and a path
// that is changed to valid UTF-8 no longer names its file.
func decode(b []byte) string { return string(b) }
