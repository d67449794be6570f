package vmrun

import (
	"context"
	"errors"
	"time"
)

// Start powers vmx on without a window, resuming it where it was suspended. A
// machine that already runs is a success.
//
// After a timeout Start fails even where vmrun lists the machine: one that
// waits at a dialog is listed too. Ask [Client.Running] before starting again.
func (c *Client) Start(ctx context.Context, vmx string) error {
	k, err := c.change(ctx, c.Timeouts.withDefaults().Start, verbStart, vmx, "nogui")
	if err != nil {
		return err
	}
	defer k.end()
	for {
		_, err := k.try()
		if err == nil || errors.Is(err, ErrAlreadyRunning) {
			return nil
		}
		if !isTransient(err) {
			return err
		}
		// vmrun also loses touch with a machine that has come up.
		if c.listed(context.WithoutCancel(ctx), k.vmx) == isListed {
			return nil
		}
		if k.begun >= maxTries || !k.again(err) {
			return err
		}
	}
}

// Stop powers vmx off. A machine that is off already is a success, and so is
// one that has left vmrun's list although vmrun reported a failure or hung, as
// "stop soft" does. VMware may hold some files for a moment longer, and vmrun
// knows only its own user's machines: ask [Client.Running], and the locks, before
// reading a disk.
func (c *Client) Stop(ctx context.Context, vmx string, mode Mode) error {
	timeout := c.Timeouts.withDefaults().StopSoft
	if mode == Hard {
		timeout = c.Timeouts.withDefaults().StopHard
	}
	return c.halt(ctx, timeout, verbStop, vmx, mode)
}

// Suspend writes vmx's memory to disk and halts it. As with [Client.Stop], a
// machine that left vmrun's list during the call is a success; whether its state
// was saved is for the caller to see, by the .vmss file. A machine that was off
// or suspended before is ErrNotRunning.
func (c *Client) Suspend(ctx context.Context, vmx string, mode Mode) error {
	return c.halt(ctx, c.Timeouts.withDefaults().Suspend, verbSuspend, vmx, mode)
}

// halt runs a verb that ends with the machine not running.
func (c *Client) halt(ctx context.Context, timeout time.Duration, verb, vmx string, mode Mode) error {
	// That a machine is not listed afterwards says something only if it was
	// listed before: vmrun does not list another user's. Without this a stop
	// that failed would pass, and the disks of a running machine be copied.
	// This look comes before the change has its deadline: it may use up a
	// minute, and nothing is under way that must not be torn.
	before := unsure
	if ctx.Err() == nil {
		before = c.listed(ctx, vmx)
	}
	k, err := c.change(ctx, timeout, verb, vmx, mode.String())
	if err != nil {
		return err
	}
	defer k.end()
	for {
		_, err := k.try()
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrNotRunning) && (verb == verbStop || k.begun > 1) {
			return nil
		}
		var e *Error
		if k.begun == 0 || errors.As(err, &e) && e.kind == ErrNoProgram {
			return err
		}
		if before == isListed && c.listed(context.WithoutCancel(ctx), k.vmx) == notListed {
			return nil
		}
		if !isTransient(err) || k.begun >= maxTries || !k.again(err) {
			return err
		}
	}
}

// answer is what a look at the list gave.
type answer int

const (
	unsure answer = iota // the list could not be had
	isListed
	notListed
)

// listed looks whether vmx runs. After a change its ctx is one without
// cancellation: what became of the machine is part of the change.
func (c *Client) listed(ctx context.Context, vmx string) answer {
	running, err := c.Running(ctx, vmx)
	switch {
	case err != nil:
		c.log().Warn("vmrun cannot tell whether the virtual machine runs", "vmx", vmx, "err", err)
		return unsure
	case running:
		return isListed
	}
	return notListed
}
