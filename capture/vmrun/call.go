package vmrun

import (
	"context"
	"time"

	"granary/capture/process"
)

// maxTries is how often a passing failure is met before it is believed.
const maxTries = 3

// call is one command of vmrun with all its repetitions.
type call struct {
	c     *Client
	verb  string
	vmx   string          // as vmrun is given it
	args  []string        // of vmrun
	shown []string        // args for the log, without passwords
	outer context.Context // the caller's: decides whether a try may begin
	ctx   context.Context // ends a try that is under way
	end   context.CancelFunc
	pace  pace
	// own cuts what vmrun says of itself out of an output with status 0.
	// Nil means all of it.
	own      func(stdout string) string
	begun    int           // tries begun
	deadline time.Time     // of all tries together
	whole    time.Duration // from the first try to the deadline
}

// query prepares a command that only looks: it ends when ctx does.
func (c *Client) query(ctx context.Context, verb, vmx string, rest ...string) (*call, error) {
	return c.prepare(ctx, ctx, c.Timeouts.withDefaults().Query, verb, vmx, rest)
}

// change prepares a command that changes a virtual machine. Once it runs, the
// cancellation of ctx does not reach it: a snapshot or a merge that is torn
// half-way is worse than one that is waited for. The deadline of ctx holds.
func (c *Client) change(ctx context.Context, timeout time.Duration, verb, vmx string, rest ...string) (*call, error) {
	return c.prepare(ctx, context.WithoutCancel(ctx), timeout, verb, vmx, rest)
}

func (c *Client) prepare(outer, inner context.Context, timeout time.Duration, verb, vmx string, rest []string) (*call, error) {
	k := &call{c: c, verb: verb, vmx: vmx, outer: outer, pace: c.pace.withDefaults()}
	if err := k.spell(rest); err != nil {
		return nil, err
	}
	k.whole = timeout
	if d, ok := outer.Deadline(); ok {
		k.whole = min(timeout, time.Until(d))
	}
	k.deadline = time.Now().Add(k.whole)
	k.ctx, k.end = context.WithDeadline(inner, k.deadline)
	return k, nil
}

// spell finds the name and the arguments that vmrun is given.
func (k *call) spell(rest []string) (err error) {
	if k.verb == verbVersion {
		return nil // that is a call without any
	}
	if k.verb != verbList {
		if k.vmx, err = k.c.name(k.verb, k.vmx); err != nil {
			return err
		}
	}
	if k.args, err = k.c.arguments(k.verb, k.vmx, rest...); err == nil {
		k.shown, err = k.c.shownArguments(k.verb, k.vmx, rest...)
	}
	if err != nil {
		return &Error{Verb: k.verb, VMX: k.vmx, Status: -1, Message: err.Error()}
	}
	return nil
}

// try runs the command once. It refuses to begin where the caller's context is
// already done.
func (k *call) try() (process.Result, error) {
	if err := k.outer.Err(); err != nil {
		return process.Result{Status: -1}, &Error{Verb: k.verb, VMX: k.vmx, Status: -1, kind: err,
			Message: "not started: " + context.Cause(k.outer).Error()}
	}
	k.begun++
	return k.run()
}

// again waits before the next try after err. It returns false where there is no
// time for one or the caller wants none.
func (k *call) again(err error) bool {
	wait := k.pace.most
	if shift := k.begun - 1; shift < 16 {
		wait = min(wait, k.pace.first<<shift)
	}
	// A try that is killed right after it began is worse than none: a merge
	// would be left half done. It gets at least a tenth of the whole time.
	if time.Until(k.deadline) < wait+k.whole/10 {
		return false
	}
	k.c.log().Warn("vmrun failed, trying again", "verb", k.verb, "vmx", k.vmx,
		"try", k.begun, "wait", wait, "err", err)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-k.outer.Done():
		return false
	}
}

// repeat tries until the command succeeds, fails for good or has failed
// maxTries times.
func (k *call) repeat() (process.Result, error) {
	for {
		r, err := k.try()
		if err == nil || !isTransient(err) || k.begun >= maxTries || !k.again(err) {
			return r, err
		}
	}
}
