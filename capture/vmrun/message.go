package vmrun

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"granary/capture/process"
)

// meaning is what one of vmrun's messages says.
type meaning struct {
	kind      error    // one of the sentinels, nil where no caller asks
	transient bool     // the same call may not meet it again
	codes     []int    // of VIX, which some vmrun print
	words     []string // lower case, as part of the message
	hint      string   // instead of the kind's own
}

// meanings: the first row that fits wins, so what is narrow stands before what
// is wide.
var meanings = []meaning{
	{kind: ErrGuestProgram, words: []string{"guest program exited"}},
	{kind: ErrGuestLogin, codes: []int{3027}, words: []string{"must be logged in interactively"},
		hint: "log that user in at the guest's own screen, or run a program that needs no desktop"},
	{kind: ErrGuestLogin, codes: []int{3015, 3024}, words: []string{"for the guest os", "in guest operating system", "in the guest operating system"}},
	{kind: ErrTools, codes: []int{3000, 3016}, words: []string{"tools are not running", "tools is not running", "tools are not installed", "waiting for vmware tools"}},
	{kind: ErrAlreadyRunning, codes: []int{3007}, words: []string{"should not be powered on", "already running", "already powered on"}},
	{kind: ErrNotRunning, codes: []int{3006}, words: []string{"not powered on", "needs to be powered on", "virtual machine is not running"}},
	{kind: ErrAmbiguousSnapshot, codes: []int{13017}, words: []string{"not uniquely identify"}},
	{kind: ErrNoSnapshot, codes: []int{13003}, words: []string{"snapshot does not exist", "snapshot doesn't exist", "snapshot was not found", "invalid snapshot name"}},
	{codes: []int{13004}, words: []string{"snapshot with the name already exists", "snapshot already exists"},
		hint: "delete or rename the snapshot that has this name already"},
	{codes: []int{13019}, words: []string{"too many snapshots", "maximum number of snapshots", "snapshot limit"},
		hint: "the virtual machine has as many snapshots as VMware allows: delete some that are no longer needed"},
	{kind: ErrIndependentDisks, codes: []int{13016, 13018}, words: []string{"independent disk", "independent-persistent", "independent-nonpersistent"}},
	{kind: ErrNoSpace, codes: []int{8, 13020}, words: []string{"disk full", "disk is full", "file system is full", "no space left", "too little space",
		"not enough space", "not enough free space", "not enough disk space", "insufficient space", "insufficient disk space", "out of disk space", "too little free space"}},
	{codes: []int{16008}, words: []string{"cid mismatch", "content id of the parent", "parent virtual disk has been modified"},
		hint: "a disk no longer fits the one it was derived from: do not start the virtual machine, and restore the parent disk from before it was changed"},
	// The last but one is a prompt that met the empty standard input.
	{kind: ErrPassword, words: []string{"password is required", "incorrect password", "invalid user name or password", "password:", "encrypted virtual machine failed"}},
	{kind: ErrPermission, codes: []int{13, 3014}, words: []string{"insufficient permission", "permission denied", "access denied", "access is denied", "do not have access rights"}},
	{kind: ErrNotFound, codes: []int{4000}, words: []string{"virtual machine cannot be found", "virtual machine was not found", "unknown file suffix"}},
	{kind: ErrInUse, transient: true, codes: []int{15, 13010, 13014},
		words: []string{"already in use", "in use by", "file is in use", "is locked", "already locked", "failed to lock", "in progress", "busy"}},
	{kind: ErrCanceled, codes: []int{10}, words: []string{"operation was canceled", "operation was cancelled", "operation canceled"}},
	{kind: ErrTimeout, words: []string{"timed out", "timeout"}},
	{codes: []int{4002}, words: []string{"configuration file"}, hint: "check that the .vmx is readable and whole"},
	{codes: []int{4}, words: []string{"file was not found", "file not found"},
		hint: "a file is missing: one of the virtual machine's, which its vmware.log names, or the program in the guest"},
	{words: []string{"not supported for the specified parameters", "unable to connect to host"},
		hint: "check the host type (vmrun -T), the host and the login"},
	// VMware's window or its session was occupied.
	{transient: true, codes: []int{3008}, words: []string{"unknown error", "cannot connect to the virtual machine"},
		hint: "check that VMware answers for the user who runs granary (vmrun list), and read the virtual machine's vmware.log"},
}

// pathTail is a path at the end of a message, behind a colon.
var pathTail = regexp.MustCompile(`:\s+"?(/|\\\\|[A-Za-z]:[\\/]|\[).*$`)

// vixCode is the code of VIX in a message, "(VIX error code: 13018)".
var vixCode = regexp.MustCompile(`(?i)\b(?:vix|error code)\b\D{0,20}(\d{1,5})\b`)

// guestStatus is the exit code in "Guest program exited with non-zero exit code: 3".
var guestStatus = regexp.MustCompile(`exit code: *(-?\d{1,18})`)

// understand returns what message means, or nil. Paths are taken out first: a
// machine in "/vm/busy/" is not busy. A code says more than words, which may be
// translated.
func understand(message, vmx string) *meaning {
	text := strings.ToLower(withoutPath(message, vmx))
	if m := vixCode.FindStringSubmatch(text); m != nil {
		code, _ := strconv.Atoi(m[1])
		for i := range meanings {
			if slices.Contains(meanings[i].codes, code) {
				return &meanings[i]
			}
		}
	}
	for i := range meanings {
		if slices.ContainsFunc(meanings[i].words, func(words string) bool { return strings.Contains(text, words) }) {
			return &meanings[i]
		}
	}
	return nil
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
	// A name of several lines would tear the message that holds it.
	shown := shownName(vmx)
	if vmx != "" {
		r.Stdout, r.Stderr = strings.ReplaceAll(r.Stdout, vmx, shown), strings.ReplaceAll(r.Stderr, vmx, shown)
	}
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
		if m := understand(line, shown); m != nil {
			e.kind, e.transient, e.hint = m.kind, m.transient, m.hint
			if code := guestStatus.FindStringSubmatch(line); code != nil && m.kind == ErrGuestProgram {
				e.GuestStatus, _ = strconv.Atoi(code[1])
			}
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
