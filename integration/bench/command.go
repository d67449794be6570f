//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// deadline is what one command, or one reading of a mount, may take.
const deadline = 30 * time.Minute

// command is a program to be run.
type command struct {
	program string
	args    []string
	dir     string   // to run it in
	env     []string // on top of this program's own
}

// usage is what a command took.
type usage struct {
	seconds, cpuSeconds, peakMiB float64
}

func (c command) prepare(ctx context.Context, stdout, stderr *bytes.Buffer) *exec.Cmd {
	process := exec.CommandContext(ctx, c.program, c.args...)
	process.Dir = c.dir
	process.Env = append(append(os.Environ(), "LC_ALL=C"), c.env...)
	process.Stdout, process.Stderr = stdout, stderr
	process.WaitDelay = 10 * time.Second // a child of the child may hold its output open
	return process
}

// measure runs a command to its end. Its clock stops when all that it wrote is
// on the disk that holds dir: not every program waits for that itself.
func (c command) measure(ctx context.Context, dir string) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	var said bytes.Buffer
	process := c.prepare(ctx, &said, &said)
	begin := time.Now()
	if err := process.Run(); err != nil {
		return usage{}, c.complain(ctx, err, &said)
	}
	if err := syncFilesystem(dir); err != nil {
		return usage{}, err
	}
	u := usage{seconds: time.Since(begin).Seconds()}
	u.cpuSeconds = (process.ProcessState.UserTime() + process.ProcessState.SystemTime()).Seconds()
	u.peakMiB = float64(process.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	return u, nil
}

// ownPeakMiB is the most memory that this program had so far.
func ownPeakMiB() (float64, error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, fmt.Errorf("find own memory: %w", err)
	}
	return float64(own.Maxrss) / 1024, nil
}

// output runs a command and returns its standard output.
func (c command) output(ctx context.Context) (string, error) {
	var stdout, stderr bytes.Buffer
	if err := c.prepare(ctx, &stdout, &stderr).Run(); err != nil {
		return "", c.complain(ctx, err, &stderr)
	}
	return stdout.String(), nil
}

// complain makes an error of a command's failure, with the end of what it said.
func (c command) complain(ctx context.Context, err error, said *bytes.Buffer) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	const most = 2000
	text := bytes.TrimSpace(said.Bytes())
	text = text[max(0, len(text)-most):]
	return fmt.Errorf("run %s %s: %w: %s", c.program, strings.Join(c.args, " "), err, text)
}
