package vmrun

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"granary/capture/process"
)

// Commands of vmrun.
const (
	verbList           = "list"
	verbStart          = "start"
	verbStop           = "stop"
	verbSuspend        = "suspend"
	verbSnapshot       = "snapshot"
	verbListSnapshots  = "listSnapshots"
	verbDeleteSnapshot = "deleteSnapshot"
	verbToolsState     = "checkToolsState"

	// verbVersion names a call without a command: vmrun then prints its usage,
	// headed by its version.
	verbVersion = "version"
)

var banner = regexp.MustCompile(`(?im)^\s*vmrun version\s+(\S+(?:[ \t]+build-\d+)?)`)

// Version returns what vmrun calls itself, "1.17.0 build-12990004". Versions do
// not sort across products: Workstation 10 had 1.13, the older Server 2 had 2.0.
func (c *Client) Version(ctx context.Context) (string, error) {
	k, err := c.query(ctx, verbVersion, "")
	if err != nil {
		return "", err
	}
	defer k.end()
	// Run without a command, vmrun prints its usage and may call that a
	// failure: the banner decides.
	r, err := k.repeat()
	if m := banner.FindStringSubmatch(r.Stdout + "\n" + r.Stderr); m != nil && r.Status >= 0 {
		return m[1], nil
	}
	if err == nil {
		err = k.unreadable(r, "no version")
	}
	return "", err
}

// List returns the running virtual machines as vmrun names them: absolute paths,
// or "[datastore] dir/x.vmx" on a server. Suspended ones are not among them,
// and on Windows only those of the user who asks are.
func (c *Client) List(ctx context.Context) ([]string, error) {
	k, err := c.query(ctx, verbList, "")
	if err != nil {
		return nil, err
	}
	defer k.end()
	r, err := k.repeat()
	if err != nil {
		return nil, err
	}
	total, lines, err := k.counted(r, "total running vms")
	if err != nil {
		return nil, err
	}
	var running []string
	for _, line := range lines {
		if line = strings.TrimSpace(line); isVMPath(line) {
			running = append(running, line)
		}
	}
	if len(running) < total {
		return nil, k.unreadable(r, fmt.Sprintf("%d of %d virtual machines", len(running), total))
	}
	return running, nil
}

// Running reports whether vmrun lists the virtual machine vmx. False is proof
// only for machines of the user who asks.
func (c *Client) Running(ctx context.Context, vmx string) (bool, error) {
	vmx, err := c.vmPath(verbList, vmx)
	if err != nil {
		return false, err
	}
	running, err := c.List(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range running {
		if samePath(r, vmx) {
			return true, nil
		}
	}
	return false, nil
}

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
			switch state := strings.ToLower(line); state {
			case "unknown", "installed", "running":
				return state, nil
			}
		}
	}
	if err == nil {
		err = k.unreadable(r, "no state")
	}
	return "", err
}

// unreadable is the error of an answer that cannot be understood.
func (k *call) unreadable(r process.Result, what string) error {
	return &Error{Verb: k.verb, VMX: k.vmx, Status: r.Status, Output: r.Shown(k.c.secrets()...),
		Message: "its answer cannot be read: it holds " + what}
}

// heading is the line in front of a list in a language that is not known.
var heading = regexp.MustCompile(`^[^/\\]*[:：]\s*(\d+)$`)

// counted finds the line "<words>: N" and returns N and the lines behind it. A
// translated heading is recognised by its form. Without any heading the output
// is no list at all, which is not the same as an empty one.
func (k *call) counted(r process.Result, words string) (total int, lines []string, err error) {
	if r.Cut {
		return 0, nil, k.unreadable(r, "more than can be kept")
	}
	all := strings.Split(strings.ReplaceAll(r.Stdout, "\r", ""), "\n")
	for _, english := range []bool{true, false} {
		for i, line := range all {
			trimmed := strings.TrimSpace(line)
			m := heading.FindStringSubmatch(trimmed)
			if m == nil || noise.MatchString(trimmed) ||
				english && !strings.HasPrefix(strings.ToLower(trimmed), words) {
				continue
			}
			if total, err = strconv.Atoi(m[1]); err != nil {
				return 0, nil, k.unreadable(r, "a strange total")
			}
			return total, all[i+1:], nil
		}
	}
	return 0, nil, k.unreadable(r, "no total")
}

// isVMPath tells a virtual machine from the noise that may stand between.
func isVMPath(line string) bool {
	switch strings.ToLower(filepath.Ext(line)) {
	case ".vmx", ".vmtm", ".vmtn", ".vmtx":
		return true
	}
	return filepath.IsAbs(line)
}

// samePath reports whether two paths name one virtual machine. VMware changes
// case, slashes and links in the paths it prints, so what the file system says
// comes first; only where it knows nothing are the names compared.
func samePath(a, b string) bool {
	ai, aErr := os.Stat(a)
	bi, bErr := os.Stat(b)
	if aErr == nil && bErr == nil {
		return os.SameFile(ai, bi)
	}
	a, b = cleanPath(a), cleanPath(b)
	return a == b || strings.EqualFold(a, b)
}

// cleanPath makes one spelling of a path that may be another system's.
func cleanPath(path string) string {
	path = strings.TrimRight(path, " \t\r\n")
	return filepath.ToSlash(filepath.Clean(strings.ReplaceAll(path, `\`, "/")))
}
