//go:build !windows

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's signals and its closing from a daemon.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}
