//go:build linux

package standin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"granary/integration/guest"
	"granary/integration/standin/machine"
)

// stateKey names, in the .vmx, the file with the state of a suspended machine.
const stateKey = "checkpoint.vmState"

// stateMagic begins such a file.
const stateMagic = 0xbed2bed2

func (c *call) start(m *machine.Machine) error {
	if c.vm.alive() {
		return refuse("The virtual machine should not be powered on. It is already running.")
	}
	return c.powerOn(m)
}

// powerOn starts the guest, or lets a suspended one go on.
func (c *call) powerOn(m *machine.Machine) error {
	suspended := m.Config().Get(stateKey)
	if suspended != "" {
		if _, err := os.Stat(c.beside(suspended)); err != nil {
			return fmt.Errorf("resume: %w", err)
		}
	}
	if err := m.RemoveStaleLocks(); err != nil {
		return err
	}
	return c.vm.spawn(c.lock, func() error {
		// The machine's own process takes the state away: it does not matter
		// to it what becomes of vmrun.
		return errors.Join(c.resumed(m, suspended), c.strike(Midway))
	})
}

// resumed forgets the state that a guest has gone on from.
func (c *call) resumed(m *machine.Machine, suspended string) error {
	if suspended == "" {
		return nil
	}
	m.Config().Set(stateKey, "")
	if err := m.Config().Store(m.Path()); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	return c.removeState(suspended)
}

// beside returns the path of a file that the .vmx names.
func (c *call) beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(c.vm.vmx), name)
}

func memoryOf(state string) string { return strings.TrimSuffix(state, ".vmss") + ".vmem" }

func (c *call) removeState(name string) error {
	path := c.beside(name)
	for _, file := range []string{path, memoryOf(path)} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("resume: %w", err)
		}
	}
	return nil
}

// powerOff ends the guest with the flag given, or as a power cut would.
func (c *call) powerOff(m *machine.Machine, flag guest.Flag) error {
	if !c.vm.alive() {
		return c.notPoweredOn()
	}
	q := request{Do: doShutdown, Flag: flag}
	if flag == guest.Running {
		q = request{Do: doKill}
	}
	if _, err := c.vm.ask(q); err != nil {
		if flag != guest.Running {
			return err
		}
		// Hard means hard: a guest that cannot be reached ends all the same.
		if err := c.vm.kill(); err != nil {
			return err
		}
	}
	if err := c.vm.awaitGone(); err != nil {
		return err
	}
	if err := c.strike(Midway); err != nil {
		return err
	}
	return m.RemoveStaleLocks()
}

// endFlag is how stop and reset end the guest.
func (c *call) endFlag() guest.Flag {
	if c.line.mode("soft") == "hard" {
		return guest.Running
	}
	return guest.CleanShutdown
}

func (c *call) stop(m *machine.Machine) error { return c.powerOff(m, c.endFlag()) }

func (c *call) reset(m *machine.Machine) error {
	if err := c.powerOff(m, c.endFlag()); err != nil {
		return err
	}
	return c.powerOn(m)
}

// suspend ends the guest so that the next start resumes it.
func (c *call) suspend(m *machine.Machine) error {
	if err := c.powerOff(m, guest.Suspended); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s.vmss", m.Stem(), filepath.Base(c.vm.dir)[:8])
	state := binary.LittleEndian.AppendUint32(nil, stateMagic)
	state = append(state, m.Config().Bytes()...)
	if err := os.WriteFile(c.beside(name), state, 0o644); err != nil {
		return fmt.Errorf("suspend: %w", err)
	}
	if err := machine.WriteMemory(memoryOf(c.beside(name))); err != nil {
		return fmt.Errorf("suspend: %w", err)
	}
	m.Config().Set(stateKey, name)
	return m.Config().Store(m.Path())
}
