package vcb

import (
	"context"
	"fmt"
	"time"
)

// Orphans returns the processes of vcbMounter that export to the directory dir
// or unmount it, whoever started them: after a granary that was killed, the
// vcbMounter it had started goes on. Calls that this process has under way are
// among them. program is Client.Program.
//
// Only Linux tells; elsewhere there is no answer and no error.
func Orphans(dir, program string) ([]int, error) {
	pids, err := orphans(dir, program, "-r", "-U")
	if err != nil {
		return nil, fmt.Errorf("look for vcbMounter processes: %w", err)
	}
	return pids, nil
}

// EndOrphans ends the vcbMounter that still exports to dir, politely at first,
// and waits until it is gone: an export only reads. Its snapshot may stay, see
// [Client.Leftover]. One that unmounts is ended only where it takes longer than
// Timeouts.Unmount. Only on Linux are there any to end.
func (c *Client) EndOrphans(ctx context.Context, dir string) error {
	if err := c.end(ctx, dir, "-r"); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, c.Timeouts.withDefaults().Unmount)
	err := c.waitGone(patience, dir, "-U")
	cancel()
	if err == nil || ctx.Err() != nil {
		return err
	}
	return c.end(ctx, dir, "-U")
}

// end ends what works on dir with that flag.
func (c *Client) end(ctx context.Context, dir, flag string) error {
	for _, hard := range []bool{false, true} {
		pids, err := orphans(dir, c.Program, flag)
		if err != nil {
			return fmt.Errorf("look for vcbMounter processes: %w", err)
		}
		if len(pids) == 0 {
			return nil
		}
		c.log().Warn("ending a vcbMounter that an earlier granary left", "dir", dir, "pids", pids, "kill", hard)
		for _, pid := range pids {
			endGroup(pid, hard)
		}
		patience, cancel := context.WithTimeout(ctx, c.pace.withDefaults().grace)
		err = c.waitGone(patience, dir, flag)
		cancel()
		if err != nil && (hard || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

// waitGone waits until no vcbMounter with one of flags works on dir.
func (c *Client) waitGone(ctx context.Context, dir string, flags ...string) error {
	for {
		pids, err := orphans(dir, c.Program, flags...)
		if err != nil {
			return fmt.Errorf("look for vcbMounter processes: %w", err)
		}
		if len(pids) == 0 {
			return nil
		}
		timer := time.NewTimer(c.pace.withDefaults().poll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("vcbMounter (process %v) still works on %s: %w", pids, dir, ctx.Err())
		}
	}
}
