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

// WaitOrphans waits until no vcbMounter works on the export directory dir any
// more. Only ctx bounds it; the error then names the processes.
func (c *Client) WaitOrphans(ctx context.Context, dir string) error {
	return c.waitGone(ctx, dir, "-r", "-U")
}

// EndOrphans ends the vcbMounter that still exports to dir, politely at first,
// and waits until it is gone: an export only reads. Its snapshot may stay, see
// [Client.Leftover]. One that unmounts is waited for. Only on Linux are there
// any to end.
func (c *Client) EndOrphans(ctx context.Context, dir string) error {
	for _, hard := range []bool{false, true} {
		pids, err := orphans(dir, c.Program, "-r")
		if err != nil {
			return fmt.Errorf("look for vcbMounter processes: %w", err)
		}
		if len(pids) == 0 {
			break
		}
		c.log().Warn("ending a vcbMounter that an earlier granary left", "dir", dir, "pids", pids, "kill", hard)
		for _, pid := range pids {
			endGroup(pid, hard)
		}
		patience, cancel := context.WithTimeout(ctx, c.pace.withDefaults().grace)
		err = c.waitGone(patience, dir, "-r")
		cancel()
		if err != nil && (hard || ctx.Err() != nil) {
			return err
		}
	}
	return c.WaitOrphans(ctx, dir)
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
