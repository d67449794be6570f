//go:build linux

package standin

import (
	"slices"
	"strings"
)

// commandLine is a call taken apart.
type commandLine struct {
	hostType   string // -T
	vmPassword string // -vp
	verb       string // in its documented spelling; "" for a bare call
	vmx        string // as given
	args       []string
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
	"deleteSnapshot": true, "checkToolsState": true, "getGuestIPAddress": true,
}

// parseCommandLine takes args apart. An unknown flag or command is left as the
// verb for its message.
func parseCommandLine(args []string) commandLine {
	var c commandLine
	for len(args) >= 2 && slices.Contains(valueFlags, args[0]) {
		switch args[0] {
		case "-T":
			c.hostType = args[1]
		case "-vp":
			c.vmPassword = args[1]
		}
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

// blotted returns args with passwords made unreadable.
func blotted(args []string) []string {
	blotted := slices.Clone(args)
	for i := 1; i < len(args); i++ {
		if slices.Contains(secretFlags, args[i-1]) {
			blotted[i] = "***"
		}
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

// remote tells whether paths are named by datastore.
func (c commandLine) remote() bool {
	return c.hostType == "esx" || c.hostType == "vc" || strings.HasPrefix(c.hostType, "server")
}

// misplacedFlag tells whether a flag follows the command, where it is taken for
// a parameter.
func (c commandLine) misplacedFlag() bool {
	return slices.ContainsFunc(c.args, func(arg string) bool { return slices.Contains(valueFlags, arg) })
}
