package vmrun

import (
	"context"
	"fmt"
	"time"
)

// Orphans returns the processes that run program on the virtual machine vmx,
// whoever started them: after a granary that was killed, the vmrun it had
// started goes on, and a second one beside it would meet a half-done change.
// Empty means vmrun. Commands that this process has under way are among them.
//
// Only Linux tells; elsewhere there is no answer and no error.
func Orphans(vmx, program string) ([]int, error) {
	if program == "" {
		program = defaultProgram
	}
	return orphans(vmx, program)
}

// WaitOrphans waits until no vmrun works on vmx any more. Only ctx bounds it,
// because a merge may take hours; the error then names the processes.
func (c *Client) WaitOrphans(ctx context.Context, vmx string) error {
	said := false
	for {
		pids, err := Orphans(vmx, c.Program)
		if err != nil {
			return fmt.Errorf("look for vmrun processes: %w", err)
		}
		if len(pids) == 0 {
			return nil
		}
		if !said {
			c.log().Warn("waiting for a vmrun that an earlier granary left", "vmx", vmx, "pids", pids)
			said = true
		}
		timer := time.NewTimer(c.pace.withDefaults().poll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("vmrun (process %v) still works on %s: %w", pids, vmx, ctx.Err())
		}
	}
}
