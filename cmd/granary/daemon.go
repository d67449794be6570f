package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// daemonVariable tells a background process on which descriptor its parent
// listens.
const daemonVariable = "GRANARY_DAEMON_FD"

// daemonReport is what a background process tells its parent.
type daemonReport struct {
	Status      int
	Error, Hint string
}

// daemonPipe is the pipe to the parent, nil in a process of the foreground.
func daemonPipe() *os.File {
	fd, err := strconv.Atoi(os.Getenv(daemonVariable))
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "parent")
}

func spawnDaemon(ready, logTo *os.File) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), daemonVariable+"=3")
	cmd.ExtraFiles = []*os.File{ready}
	cmd.Stdout, cmd.Stderr = logTo, logTo
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// awaitDaemon reads the report of a background process.
func awaitDaemon(from io.Reader) error {
	b, err := io.ReadAll(from)
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	var report daemonReport
	if err := json.Unmarshal(b, &report); err != nil {
		return errors.New("start daemon: it ended without a word; try without --daemon")
	}
	if report.Error != "" {
		return &statusError{report.Status, &hintedError{report.Error, report.Hint}}
	}
	return nil
}

// tellParent reports once: the parent reads until the pipe is closed.
func tellParent(ready *os.File, report daemonReport) error {
	b, err := json.Marshal(report)
	if err == nil {
		_, err = ready.Write(b)
	}
	return errors.Join(err, ready.Close())
}
