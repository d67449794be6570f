package vmrun

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"granary/capture/process"
)

// Orphans returns the processes that run vmrun, or c.Program, on the virtual
// machine vmx by whichever name, whoever started them: after a granary that was
// killed, the vmrun it had started goes on, and a second one beside it would meet
// a half-done change. Commands that this process has under way are among them.
//
// Only Linux tells; elsewhere there is no answer and no error.
func (c *Client) Orphans(vmx string) ([]int, error) {
	name, err := c.name("", vmx)
	if err != nil {
		return nil, err
	}
	return process.Find(func(argv []string, dir func() (string, error)) bool {
		return process.Runs(argv, cmp.Or(c.Program, defaultProgram), defaultProgram) && c.isAmong(argv[1:], name, dir)
	})
}

// isAmong reports whether one of args is the virtual machine name. Those that
// are relative belong to the directory of their process.
func (c *Client) isAmong(args []string, name string, dir func() (string, error)) bool {
	for _, arg := range args {
		if arg == name {
			return true
		}
		if !strings.EqualFold(filepath.Ext(arg), filepath.Ext(name)) || filepath.Ext(arg) == "" {
			continue // no need to ask the file system about a password
		}
		if !filepath.IsAbs(arg) && !strings.HasPrefix(arg, "[") {
			at, err := dir()
			if err != nil {
				continue
			}
			arg = filepath.Join(at, arg)
		}
		if c.same(arg, name) {
			return true
		}
	}
	return false
}

// WaitOrphans waits until no vmrun works on vmx any more. Only ctx bounds it,
// because a merge may take hours; the error then names the processes.
func (c *Client) WaitOrphans(ctx context.Context, vmx string) error {
	said := false
	for {
		pids, err := c.Orphans(vmx)
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
			return fmt.Errorf("vmrun (process %v) still works on %s: %w", pids, shownName(vmx), ctx.Err())
		}
	}
}
