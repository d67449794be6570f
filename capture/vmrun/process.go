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

// run runs vmrun once and waits for it, at most until k.ctx is done. The error is
// nil or an *Error.
func (k *call) run() (process.Result, error) {
	program, err := k.c.program()
	if err != nil {
		return process.Result{Status: -1}, notStarted(k.verb, k.vmx, err)
	}
	began := time.Now()
	r, err := process.Run(k.ctx, process.Command{Program: program, Args: k.args, Grace: k.pace.grace})
	r.Stdout, r.Stderr = decoded(r.Stdout), decoded(r.Stderr)
	k.c.log().Debug("vmrun", "verb", k.verb, "args", k.shown, "status", r.Status, "ended", r.Ended,
		"duration", time.Since(began).Round(time.Millisecond))
	switch {
	case err != nil && k.ctx.Err() != nil:
		return r, k.killed(r)
	case err != nil:
		return r, notStarted(k.verb, k.vmx, err)
	case r.Killed:
		return r, k.killed(r)
	}
	said := r
	if k.own != nil && r.Status == 0 {
		said.Stdout = k.own(r.Stdout)
	}
	if e := k.c.failure(k.verb, k.vmx, said); e != nil {
		e.ran, e.Output = true, r.Shown(k.c.secrets()...)
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
func (k *call) killed(r process.Result) *Error {
	e := &Error{Verb: k.verb, VMX: k.vmx, Status: -1, ran: true, Output: r.Shown(k.c.secrets()...)}
	if errors.Is(k.ctx.Err(), context.Canceled) {
		e.kind = context.Canceled
		e.Message = context.Cause(k.ctx).Error()
		return e
	}
	e.kind = ErrTimeout
	e.Message = fmt.Sprintf("no answer within %v", k.whole.Round(10*time.Millisecond))
	if r.Ended == process.Stuck {
		e.Message += ", and it cannot be killed"
	}
	return e
}
