//go:build linux

package standin

import (
	"fmt"
	"slices"
	"strings"
)

// Login is what -gu and -gp must give for the guest.
type Login struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// GuestProgram is a program, or a script, in the guest.
type GuestProgram struct {
	// Freeze makes the guest quiesce, Thaw lets it go on (package guest). It
	// happens first, whatever the exit status: a program may freeze and fail.
	Freeze bool   `json:"freeze,omitempty"`
	Thaw   bool   `json:"thaw,omitempty"`
	Delay  string `json:"delay,omitempty"` // what it takes after that, as in Fault
	Exit   int    `json:"exit,omitempty"`
}

const guestLoginRefusal = "Invalid user name or password for the guest OS"

// enterGuest checks what every guest command needs: a running guest and a login.
func (c *call) enterGuest() error {
	switch right := c.settings.Guest; {
	case !c.vm.alive():
		return c.notPoweredOn()
	case c.line.guestUser == "":
		return c.prompt("Guest user: ", guestLoginRefusal)
	case c.line.guestPassword == "":
		return c.prompt("Guest password: ", guestLoginRefusal)
	case right != Login{} && right != Login{c.line.guestUser, c.line.guestPassword}:
		return refuse(guestLoginRefusal)
	}
	return nil
}

// guestProgramFlags precede the program.
var guestProgramFlags = []string{"-nowait", "-activewindow", "-interactive"}

// runInGuest runs a program, or a script, whose name in the settings is its
// text; name is its place behind the flags.
func (c *call) runInGuest(name int) error {
	args, wait := c.line.args, true
	for len(args) > 0 && slices.Contains(guestProgramFlags, strings.ToLower(args[0])) {
		wait = wait && !strings.EqualFold(args[0], "-noWait")
		args = args[1:]
	}
	if len(args) <= name {
		return failure{usage, exitFailure}
	}
	if err := c.enterGuest(); err != nil {
		return err
	}
	program, ok := c.settings.GuestPrograms[args[name]]
	if !ok {
		return refuse("A file was not found")
	}
	for _, effect := range []struct {
		wanted bool
		do     string
	}{{program.Freeze, doQuiesce}, {program.Thaw, doResume}} {
		if !effect.wanted {
			continue
		}
		if err := c.tell(request{Do: effect.do}); err != nil {
			return err
		}
	}
	if err := c.strike(Midway); err != nil || !wait {
		return err
	}
	if err := delay(program.Delay); err != nil {
		return err
	}
	if program.Exit != 0 {
		return failure{fmt.Sprintf("Guest program exited with non-zero exit code: %d\n", program.Exit), exitFailure}
	}
	return nil
}

// fileExistsInGuest knows no files but the programs.
func (c *call) fileExistsInGuest() error {
	if len(c.line.args) == 0 {
		return failure{usage, exitFailure}
	}
	if err := c.enterGuest(); err != nil {
		return err
	}
	if _, ok := c.settings.GuestPrograms[c.line.args[0]]; ok {
		c.out.WriteString("The file exists.\n")
	} else {
		c.out.WriteString("The file does not exist.\n")
	}
	return nil
}
