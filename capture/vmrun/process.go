package vmrun

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"time"

	"granary/capture/process"
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

// run runs vmrun once and waits for it, at most until ctx is done. The error is
// nil or an *Error.
func (c *Client) run(ctx context.Context, verb, vmx string, args, shown []string) (process.Result, error) {
	program, err := c.program()
	if err != nil {
		return process.Result{Status: -1}, notStarted(verb, vmx, err)
	}
	began := time.Now()
	r, err := process.Run(ctx, process.Command{Program: program, Args: args, Grace: c.pace.withDefaults().grace})
	c.log().Debug("vmrun", "verb", verb, "args", shown, "status", r.Status, "ended", r.Ended,
		"duration", time.Since(began).Round(time.Millisecond))
	switch {
	case err != nil && ctx.Err() != nil:
		return r, c.killed(ctx, verb, vmx, time.Since(began), r)
	case err != nil:
		return r, notStarted(verb, vmx, err)
	case r.Killed:
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
func (c *Client) killed(ctx context.Context, verb, vmx string, after time.Duration, r process.Result) *Error {
	e := &Error{Verb: verb, VMX: vmx, Status: -1, Output: r.Shown(c.secrets()...)}
	if errors.Is(ctx.Err(), context.Canceled) {
		e.kind = context.Canceled
		e.Message = context.Cause(ctx).Error()
		return e
	}
	e.kind = ErrTimeout
	e.Message = fmt.Sprintf("no answer within %v", after.Round(100*time.Millisecond))
	if r.Ended == process.Stuck {
		e.Message += ", and it cannot be killed"
	}
	return e
}
