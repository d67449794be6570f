package vmrun

import (
	"context"
	"slices"
	"strings"
)

// RunInGuest runs a program in vmx's guest, as GuestUser, and waits for its end.
// The program is a path of the guest ("/usr/sbin/freeze", `C:\Windows\x.bat`),
// and each argument reaches vmrun as one. VMware has a single line for all of
// them: a program that splits it by itself, as those of Windows do, wants quotes
// inside an argument that holds blanks.
//
// The program may have had its effect whatever the error, so it is never run
// twice; an ErrGuestProgram says that it ran and with which exit code it ended.
// After ErrTimeout it may still run.
func (c *Client) RunInGuest(ctx context.Context, vmx, program string, args ...string) error {
	k, err := c.change(ctx, c.Timeouts.withDefaults().Guest, verbRunInGuest, vmx, append([]string{program}, args...)...)
	if err != nil {
		return err
	}
	defer k.end()
	bad := func(kind error, why string) error {
		return &Error{Verb: verbRunInGuest, VMX: k.vmx, Status: -1, Message: why, kind: kind}
	}
	switch {
	case c.GuestUser == "":
		return bad(ErrGuestLogin, "no user of the guest was given")
	case program == "":
		return bad(nil, "no program was given")
	case strings.HasPrefix(program, "-"):
		return bad(nil, "the program's name would be read as a flag")
	case strings.Contains(program+strings.Join(args, ""), "\x00"):
		return bad(nil, "the program or an argument holds a NUL byte")
	}
	_, err = k.try()
	return err
}

// toolsStates are the answers of checkToolsState.
var toolsStates = []string{"unknown", "installed", "running"}

// ToolsState returns what vmrun knows of the VMware Tools in the guest: unknown,
// installed or running. It is a rumour: guest operations work in "installed",
// and fail for a while in "running".
func (c *Client) ToolsState(ctx context.Context, vmx string) (string, error) {
	k, err := c.query(ctx, verbToolsState, vmx)
	if err != nil {
		return "", err
	}
	defer k.end()
	r, err := k.repeat()
	// "unknown" comes with status 254 for a machine that is off. Whole lines
	// only: "The VMware Tools are not running" holds "running".
	if r.Status >= 0 && len(errorLines(r.Stdout))+len(errorLines(r.Stderr)) == 0 {
		for _, line := range sayings(r.Stdout) {
			if state := strings.ToLower(line); slices.Contains(toolsStates, state) {
				return state, nil
			}
		}
	}
	if err == nil {
		err = k.unreadable(r, "no state")
	}
	return "", err
}
