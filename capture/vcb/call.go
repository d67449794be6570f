package vcb

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

// pace is how fast things are given up. Zero values mean the defaults.
type pace struct {
	grace time.Duration // between asking a process to end and killing it
	poll  time.Duration // between two looks at the process table
}

// withDefaults returns p with the defaults filled in. The grace is long: if
// vcbMounter heeds the request, it has a snapshot to take away.
func (p pace) withDefaults() pace {
	fill(&p.grace, 30*time.Second)
	fill(&p.poll, 500*time.Millisecond)
	return p
}

// call is one run of one of the programs.
type call struct {
	c       *Client
	program string // its name
	verb    string
	target  string // as Error.Target
	dir     string // of an export; empty otherwise
}

// run runs the program at path, at most for timeout. The error is nil or an
// *Error. It does not begin where ctx is done already.
func (k *call) run(ctx context.Context, path string, timeout time.Duration, rest ...string) (process.Result, error) {
	if err := ctx.Err(); err != nil {
		e := k.fail(process.Result{Status: -1}, "not started: "+context.Cause(ctx).Error())
		e.kind = err
		return process.Result{}, e
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	r, err := process.Run(ctx, process.Command{Program: path, Args: k.c.args(rest...), Grace: k.c.pace.withDefaults().grace})
	k.c.log().Debug(k.program, "verb", k.verb, "args", k.c.shownArgs(rest...), "status", r.Status, "ended", r.Ended,
		"duration", time.Since(began).Round(time.Millisecond))
	switch {
	case r.Killed || err != nil && ctx.Err() != nil:
		return r, k.killed(ctx, r, time.Since(began))
	case err != nil:
		return r, k.notStarted(err)
	}
	if e := k.failure(r); e != nil {
		return r, e
	}
	return r, nil
}

// whole runs a program that changes something, which no cancellation of ctx
// tears; its deadline holds.
func (k *call) whole(ctx context.Context, path string, timeout time.Duration, rest ...string) error {
	if ctx.Err() == nil {
		if deadline, ok := ctx.Deadline(); ok {
			timeout = min(timeout, time.Until(deadline))
		}
		ctx = context.WithoutCancel(ctx)
	}
	_, err := k.run(ctx, path, timeout, rest...)
	return err
}

// fail is an *Error of this call.
func (k *call) fail(r process.Result, message string) *Error {
	return &Error{Program: k.program, Verb: k.verb, Target: k.target, Status: r.Status, Message: message,
		Output: r.Shown(k.c.Password)}
}

// refuse is an *Error of a call that is not made.
func (k *call) refuse(kind error, format string, args ...any) error {
	e := k.fail(process.Result{Status: -1}, fmt.Sprintf(format, args...))
	e.kind = kind
	return e
}

// notStarted is the error of a program that never ran.
func (k *call) notStarted(err error) error {
	for _, absent := range []error{exec.ErrNotFound, exec.ErrDot, fs.ErrNotExist, fs.ErrPermission, syscall.ENOEXEC} {
		if errors.Is(err, absent) {
			return k.refuse(ErrNoProgram, "%v", err)
		}
	}
	return k.refuse(nil, "%v", err)
}

// killed is the error of a call that was ended by its context.
func (k *call) killed(ctx context.Context, r process.Result, after time.Duration) *Error {
	r.Status = -1
	e := k.fail(r, fmt.Sprintf("not finished within %v", after.Round(100*time.Millisecond)))
	e.kind = ErrTimeout
	if errors.Is(ctx.Err(), context.Canceled) {
		e.Message, e.kind = context.Cause(ctx).Error(), context.Canceled
	}
	if r.Ended == process.Stuck {
		e.Message += ", and it cannot be killed"
	}
	if k.verb == verbExport {
		e.Message += "; its snapshot " + LeftoverSnapshot + " may be left behind"
	}
	return e
}
