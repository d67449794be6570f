//go:build linux

package standin

import (
	"context"
	"slices"

	"granary/integration/standin/machine"
)

func (c *call) snapshot(m *machine.Machine) error {
	if len(c.line.args) == 0 {
		return failure{usage, exitFailure}
	}
	o, release, err := c.operation()
	if err != nil {
		return err
	}
	defer release()
	return m.Take(context.Background(), c.line.args[0], o)
}

func (c *call) deleteSnapshot(m *machine.Machine) error {
	if len(c.line.args) == 0 {
		return failure{usage, exitFailure}
	}
	o, release, err := c.operation()
	if err != nil {
		return err
	}
	defer release()
	children := slices.Contains(c.line.args[1:], "andDeleteChildren")
	return m.Delete(context.Background(), c.line.args[0], children, o)
}

// operation is how this call takes or deletes a snapshot; release ends its
// connection to the guest.
func (c *call) operation() (o machine.Operation, release func(), err error) {
	o = machine.Operation{Midway: func() error { return c.strike(Midway) }, KeepDelta: c.fault.KeepDelta}
	if !c.vm.alive() {
		return o, func() {}, nil
	}
	guest, err := c.vm.dial()
	if err != nil {
		return o, nil, err
	}
	o.Guest = guest
	return o, guest.close, nil
}
