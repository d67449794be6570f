//go:build linux

package standin

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// commandLine is a call taken apart.
type commandLine struct {
	hostType      string // -T
	host          string // of -h: the name alone
	port          int    // of -P or -h, 0 for none
	user          string // -u
	password      string // -p
	vmPassword    string // -vp
	guestUser     string // -gu
	guestPassword string // -gp
	verb          string // in its documented spelling; "" for a bare call
	vmx           string // as given
	args          []string
}

// valueFlags are the flags before the command; each takes a value.
var valueFlags = []string{"-T", "-h", "-P", "-u", "-p", "-vp", "-gu", "-gp"}

// secretFlags are those whose value is a password.
var secretFlags = []string{"-p", "-vp", "-gp"}

var hostTypes = []string{"ws", "ws-shared", "server", "server1", "fusion", "esx", "vc", "player"}

// verbs are the commands in their documented spelling; true wants a .vmx.
var verbs = map[string]bool{
	"list": false, "start": true, "stop": true, "suspend": true, "reset": true,
	"pause": true, "unpause": true, "listSnapshots": true, "snapshot": true,
	"revertToSnapshot": true, "deleteSnapshot": true, "listRegisteredVM": false,
	"runProgramInGuest": true, "runScriptInGuest": true, "fileExistsInGuest": true,
	"checkToolsState": true, "getGuestIPAddress": true,
}

// versionVerb is what a bare call, which prints the version, is called in
// faults and in calls.log.
const versionVerb = "version"

// parseCommandLine takes args apart. An unknown flag or command is left as the
// verb for its message.
func parseCommandLine(args []string) commandLine {
	var c commandLine
	for len(args) >= 2 && slices.Contains(valueFlags, args[0]) {
		c.setFlag(args[0], args[1])
		args = args[2:]
	}
	if len(args) == 0 {
		return c
	}
	c.verb, args = args[0], args[1:]
	for verb, wantsVMX := range verbs {
		if !strings.EqualFold(verb, c.verb) {
			continue
		}
		c.verb = verb
		if wantsVMX && len(args) > 0 {
			c.vmx, args = args[0], args[1:]
		}
	}
	c.args = args
	return c
}

func (c *commandLine) setFlag(flag, value string) {
	switch flag {
	case "-T":
		c.hostType = value
	case "-h":
		name, port := hostAddress(value)
		c.host, c.port = name, cmp.Or(port, c.port)
	case "-P":
		if port, err := strconv.Atoi(value); err == nil {
			c.port = port
		}
	case "-u":
		c.user = value
	case "-p":
		c.password = value
	case "-vp":
		c.vmPassword = value
	case "-gu":
		c.guestUser = value
	case "-gp":
		c.guestPassword = value
	}
}

// name returns the verb, or what a call without one is called.
func (c commandLine) name() string { return cmp.Or(c.verb, versionVerb) }

// blotted returns args with passwords made unreadable.
func blotted(args []string) []octets {
	var blotted []octets
	for i, arg := range args {
		if i > 0 && slices.Contains(secretFlags, args[i-1]) {
			arg = "***"
		}
		blotted = append(blotted, octets(arg))
	}
	return blotted
}

// mode returns the first parameter after the .vmx, or otherwise if there is none.
func (c commandLine) mode(otherwise string) string {
	if len(c.args) == 0 {
		return otherwise
	}
	return strings.ToLower(c.args[0])
}

// remote tells whether the call is for a host that is logged in to.
func (c commandLine) remote() bool { return c.byDatastore() || c.hostType == "server1" }

// byDatastore tells whether the host names paths by datastore.
func (c commandLine) byDatastore() bool {
	return slices.Contains([]string{"esx", "vc", "server", "ws-shared"}, c.hostType)
}

// misplacedFlag tells whether a flag follows the command, where it is taken for
// a parameter. What a program in the guest gets is its own.
func (c commandLine) misplacedFlag() bool {
	if strings.HasPrefix(c.verb, "run") {
		return false
	}
	return slices.ContainsFunc(c.args, func(arg string) bool { return slices.Contains(valueFlags, arg) })
}
