package process

import (
	"context"
	"os/exec"
	"sync/atomic"
	"time"
)

// DefaultGrace is the time between asking a process group to end and killing
// it.
const DefaultGrace = 2 * time.Second

// Command is one run of a program.
type Command struct {
	Program string // absolute: it runs in another directory
	Args    []string
	Env     []string      // Environment() if nil
	Dir     string        // if empty, one that nobody wants to unmount
	Grace   time.Duration // DefaultGrace if not positive
}

// Result is what a program left behind.
type Result struct {
	Stdout, Stderr string // at most a MiB each: beginning and end
	Status         int    // -1 where it did not end by itself
	Ended          string // "exit status 255", "signal: killed", or Stuck
	Cut            bool   // the middle of Stdout is lost
	// Killed tells that the context ended it.
	Killed bool
}

// Stuck is how a process ended that did not: it waits for a dead disk or
// server, and cannot even be killed.
const Stuck = "no end"

// Run runs a program and waits for its end, at most until ctx is done and the
// grace is over. The error says that it could not be started; how it ended is
// in the result.
func Run(ctx context.Context, c Command) (r Result, err error) {
	grace := c.Grace
	if grace <= 0 {
		grace = DefaultGrace
	}
	cmd := exec.CommandContext(ctx, c.Program, c.Args...)
	stdout, stderr := &output{limit: keptBytes}, &output{limit: keptBytes}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Stdin = nil // the null device: a prompt meets its end at once
	if cmd.Env = c.Env; cmd.Env == nil {
		cmd.Env = Environment()
	}
	// What it starts would keep granary's directory busy, and with it the disk
	// or mount it is on, as long as a virtual machine runs.
	if cmd.Dir = c.Dir; cmd.Dir == "" {
		cmd.Dir = rootDir
	}
	detach(cmd)

	var told atomic.Bool
	var hard *time.Timer
	cmd.Cancel = func() error {
		hard = time.AfterFunc(grace, func() { killGroup(cmd) })
		err := terminateGroup(cmd)
		told.Store(err == nil)
		return err
	}
	// The virtual machine that vmrun starts may hold the pipes open as long as
	// it runs; without this Wait would wait for it. After a kill it is the time
	// that passes before Wait itself kills, so longer than the grace.
	cmd.WaitDelay = grace + grace/2

	closeOnExec()
	if err := cmd.Start(); err != nil {
		return Result{Status: -1, Ended: "no start"}, err
	}
	ok, waitErr := wait(ctx, cmd, 4*grace)
	if !ok {
		return Result{Status: -1, Ended: Stuck, Killed: true}, nil
	}
	if hard != nil {
		hard.Stop()
	}
	if told.Load() {
		// It may have obeyed while its children did not.
		killGroup(cmd)
	}
	r = Result{
		Stdout: decode(stdout.Bytes()),
		Stderr: decode(stderr.Bytes()),
		Status: cmd.ProcessState.ExitCode(),
		Ended:  cmd.ProcessState.String(),
		Cut:    stdout.cut,
	}
	// A process that ended by itself before it was told to counts as it ended.
	if r.Killed = told.Load() && waitErr != nil; r.Killed {
		r.Status = -1 // whatever it made of the signal
	}
	return r, nil
}

// wait waits for cmd, but only for patience once ctx is done: a process that
// waits for a dead disk or server cannot even be killed. It is then left
// behind, with the goroutine that waits for it, and nothing of cmd may be used.
func wait(ctx context.Context, cmd *exec.Cmd, patience time.Duration) (ok bool, err error) {
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	select {
	case err = <-waited:
		return true, err
	case <-ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err = <-waited:
		return true, err
	case <-timer.C:
		return false, nil
	}
}
