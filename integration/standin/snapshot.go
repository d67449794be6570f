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

// revertToSnapshot makes the machine, which is off then, what it was. A state
// that it was suspended in is lost.
func (c *call) revertToSnapshot(m *machine.Machine) error {
	if len(c.line.args) == 0 {
		return failure{usage, exitFailure}
	}
	if c.vm.alive() {
		return errBusy
	}
	suspended := m.Config().Get(stateKey)
	m.Config().Set(stateKey, "")
	o, release, err := c.operation()
	if err != nil {
		return err
	}
	defer release()
	if err := m.Revert(context.Background(), c.line.args[0], o); err != nil {
		return err
	}
	if suspended == "" {
		return nil
	}
	return c.removeState(suspended)
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
