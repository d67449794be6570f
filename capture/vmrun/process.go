package vmrun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// pace is how fast things are repeated and given up. Zero values mean the
// defaults.
type pace struct {
	first time.Duration // before the second try, doubled with each further one
	most  time.Duration // between two tries
	grace time.Duration // between asking a process to end and killing it
	poll  time.Duration // between two looks at the process table
}

func (p pace) withDefaults() pace {
	fill := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	fill(&p.first, time.Second)
	fill(&p.most, 30*time.Second)
	fill(&p.grace, 2*time.Second)
	fill(&p.poll, 500*time.Millisecond)
	return p
}

// result is what one vmrun left behind.
type result struct {
	stdout, stderr string
	status         int    // -1 where it did not end by itself
	ended          string // "exit status 255", "signal: killed"
	cut            bool   // the middle of stdout is lost
}

// stuck is how a process ended that did not.
const stuck = "no end"

// run runs vmrun once and waits for it, at most until ctx is done. The error is
// nil or an *Error.
func (c *Client) run(ctx context.Context, verb, vmx string, args, shown []string) (result, error) {
	program, err := c.program()
	if err != nil {
		return result{status: -1}, notStarted(verb, vmx, err)
	}
	began := time.Now()
	r, killed, err := execute(ctx, program, args, c.pace.withDefaults().grace)
	c.log().Debug("vmrun", "verb", verb, "args", shown, "status", r.status, "ended", r.ended,
		"duration", time.Since(began).Round(time.Millisecond))
	switch {
	case err != nil && ctx.Err() != nil:
		return r, c.killed(ctx, verb, vmx, time.Since(began), r)
	case err != nil:
		return r, notStarted(verb, vmx, err)
	case killed:
		return r, c.killed(ctx, verb, vmx, time.Since(began), r)
	}
	if e := c.failure(verb, vmx, r); e != nil {
		return r, e
	}
	return r, nil
}

// notStarted is the error of a vmrun that never ran.
func notStarted(verb, vmx string, err error) *Error {
	e := &Error{Verb: verb, VMX: vmx, Status: -1, Message: err.Error()}
	for _, absent := range []error{exec.ErrNotFound, exec.ErrDot, fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC} {
		if errors.Is(err, absent) {
			e.kind = ErrNoProgram
		}
	}
	return e
}

// killed is the error of a call that was ended by its context.
func (c *Client) killed(ctx context.Context, verb, vmx string, after time.Duration, r result) *Error {
	e := &Error{Verb: verb, VMX: vmx, Status: -1, Output: c.shownOutput(r)}
	if errors.Is(ctx.Err(), context.Canceled) {
		e.kind = context.Canceled
		e.Message = context.Cause(ctx).Error()
		return e
	}
	e.kind = ErrTimeout
	e.Message = fmt.Sprintf("no answer within %v", after.Round(100*time.Millisecond))
	if r.ended == stuck {
		e.Message += ", and it cannot be killed"
	}
	return e
}

// execute runs program to its end. killed reports that ctx ended it. The error
// says that it could not be started.
func execute(ctx context.Context, program string, args []string, grace time.Duration) (r result, killed bool, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	stdout, stderr := &output{limit: keptBytes}, &output{limit: keptBytes}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Stdin = nil // the null device: a prompt meets its end at once
	// What vmrun starts would keep granary's directory busy, and with it the
	// disk or mount it is on, as long as the virtual machine runs.
	cmd.Dir = rootDir
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
		return result{status: -1, ended: "no start"}, false, err
	}
	ok, waitErr := wait(ctx, cmd, 4*grace)
	if !ok {
		return result{status: -1, ended: stuck}, true, nil
	}
	if hard != nil {
		hard.Stop()
	}
	if told.Load() {
		// vmrun may have obeyed while its children did not.
		killGroup(cmd)
	}
	r = result{
		stdout: decode(stdout.Bytes()),
		stderr: decode(stderr.Bytes()),
		status: cmd.ProcessState.ExitCode(),
		ended:  cmd.ProcessState.String(),
		cut:    stdout.cut,
	}
	// A process that ended by itself before it was told to counts as it ended.
	if killed = told.Load() && waitErr != nil; killed {
		r.status = -1 // whatever it made of the signal
	}
	return r, killed, nil
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
