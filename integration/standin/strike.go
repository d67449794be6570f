//go:build linux

package standin

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// strike carries out the call's fault if this is its moment.
func (c *call) strike(at string) error {
	moment := c.fault.At
	if moment == "" {
		moment = Before
	}
	if moment != at {
		return nil
	}
	switch c.fault.Do {
	case Hang:
		hang()
	case Die:
		die()
	case Prompt:
		return c.prompt("Password: ", fmt.Sprintf("Cannot open VM: %s, A password is required for this operation", c.line.vmx))
	case Fail:
		f := failure{strings.ReplaceAll(c.fault.Text, "{vmx}", c.line.vmx) + "\n", exitFailure}
		if c.fault.Exit != nil {
			f.code = *c.fault.Exit
		}
		return f
	}
	return nil
}

// hang never returns.
func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

// die ends this process as kill -9 would.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // a process may always signal itself
	hang()
}

// deafen makes the process ignore polite signals, if the fault says so.
func (f Fault) deafen() {
	if f.IgnoreTerm {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
}
