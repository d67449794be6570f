package vmrun

import (
	"regexp"
	"strings"

	"granary/capture/process"
)

// known maps vmrun's words, lower case, to what they mean. The first row that
// fits wins, so what is narrow stands before what is wide.
var known = []struct {
	kind  error
	words []string
}{
	{ErrTools, []string{"tools are not running", "tools is not running", "tools are not installed", "waiting for vmware tools"}},
	{ErrAlreadyRunning, []string{"should not be powered on", "already running", "already powered on"}},
	{ErrNotRunning, []string{"not powered on", "needs to be powered on", "virtual machine is not running"}},
	{ErrAmbiguousSnapshot, []string{"not uniquely identify"}},
	{ErrNoSnapshot, []string{"snapshot does not exist", "snapshot doesn't exist", "snapshot was not found", "invalid snapshot name"}},
	{ErrIndependentDisks, []string{"independent disk", "independent-persistent", "independent-nonpersistent"}},
	// The last but one is a prompt that met the empty standard input.
	{ErrPassword, []string{"password is required", "incorrect password", "invalid user name or password", "password:", "encrypted virtual machine failed"}},
	{ErrPermission, []string{"insufficient permission", "permission denied", "access denied", "access is denied", "do not have access rights"}},
	{ErrNotFound, []string{"virtual machine cannot be found", "virtual machine was not found", "unknown file suffix"}},
	{ErrInUse, []string{"already in use", "in use by", "file is in use", "is locked", "already locked", "failed to lock", "in progress", "busy"}},
	{ErrCanceled, []string{"operation was canceled", "operation was cancelled", "operation canceled"}},
	{ErrTimeout, []string{"timed out", "timeout"}},
}

// passing are words of failures that the same call may not meet again: VMware's
// window or its session was occupied.
var passing = []string{"unknown error", "cannot connect to the virtual machine"}

// noise is what Fusion prints of its own before anything else:
// "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119".
var noise = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)?\|`)

// pathTail is a path at the end of a message, behind a colon.
var pathTail = regexp.MustCompile(`:\s+(/|\\\\|[A-Za-z]:[\\/]|\[).*$`)

// errorLines returns what follows "Error:" on each line that starts with it.
// Neither the position nor the exit status says more: Fusion prints log lines
// first, and some failures end with status 0.
func errorLines(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if len(line) >= 6 && strings.EqualFold(line[:6], "Error:") {
			found = append(found, strings.TrimSpace(line[6:]))
		}
	}
	return found
}

// sayings returns the lines of text that say anything.
func sayings(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !noise.MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

// classify returns the sentinel behind message, or nil, and whether another try
// may help. Paths are taken out first: a machine in "/vm/busy/" is not busy.
func classify(message, vmx string) (kind error, transient bool) {
	text := strings.ToLower(withoutPath(message, vmx))
	for _, k := range known {
		if containsAny(text, k.words) {
			kind = k.kind
			break
		}
	}
	return kind, kind == ErrInUse || kind == nil && containsAny(text, passing)
}

func containsAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// withoutPath removes the virtual machine's path from message.
func withoutPath(message, vmx string) string {
	if vmx != "" {
		message = strings.ReplaceAll(message, vmx, "")
	}
	const open = "cannot open vm:"
	if len(message) >= len(open) && strings.EqualFold(message[:len(open)], open) {
		// "Cannot open VM: <path>, <reason>": the path may hold commas, the
		// reasons do not.
		return message[strings.LastIndex(message, ",")+1:]
	}
	return pathTail.ReplaceAllString(message, "")
}

// failure turns a finished vmrun into an *Error, or nil if it succeeded.
func (c *Client) failure(verb, vmx string, r process.Result) *Error {
	said := append(errorLines(r.Stdout), errorLines(r.Stderr)...)
	if r.Status == 0 && len(said) == 0 {
		return nil
	}
	if len(said) == 0 {
		// Without "Error:" the reason may stand on either stream: on stderr
		// if the loader or a wrapper script failed, on stdout in old versions,
		// where a prompt that met the empty input is the last line. Not the
		// whole text: a usage page holds every word there is.
		said = ends(sayings(r.Stderr), sayings(r.Stdout))
	}
	e := &Error{Verb: verb, VMX: vmx, Status: r.Status, Output: r.Shown(c.secrets()...)}
	e.Message = "it ended with " + r.Ended + " and said nothing"
	if len(said) > 0 {
		e.Message = said[0]
	}
	for _, line := range said {
		if e.kind, e.transient = classify(line, vmx); e.kind != nil || e.transient {
			break
		}
	}
	e.Message = strings.ToValidUTF8(process.Redact(e.Message, c.secrets()...), "\uFFFD")
	return e
}

// ends returns the first and the last line of each stream.
func ends(streams ...[]string) []string {
	var found []string
	for _, lines := range streams {
		if len(lines) > 0 {
			found = append(found, lines[0], lines[len(lines)-1])
		}
	}
	return found
}
