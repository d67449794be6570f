//go:build linux

package standin

import (
	"fmt"
	"path/filepath"
	"strings"

	"granary/integration/standin/machine"
)

func (c *call) list() error {
	paths, err := c.state.RunningVMs()
	if err != nil {
		return err
	}
	trailing := ""
	if c.fault.Trailing {
		trailing = " "
	}
	fmt.Fprintf(&c.out, "Total running VMs: %d%s\n", len(paths), trailing)
	for _, path := range paths {
		path = c.remotePath(path)
		switch c.fault.Case {
		case "upper":
			path = strings.ToUpper(path)
		case "lower":
			path = strings.ToLower(path)
		}
		fmt.Fprintf(&c.out, "%s%s\n", path, trailing)
	}
	return nil
}

// remotePath is the inverse of hostPath.
func (c *call) remotePath(path string) string {
	if !c.line.remote() {
		return path
	}
	for name, dir := range c.settings.Datastores {
		if rest, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rest) {
			return "[" + name + "] " + rest
		}
	}
	return path
}

func (c *call) listSnapshots() error {
	return c.withMachine(func(m *machine.Machine) error {
		nodes, err := m.Snapshots()
		if err != nil {
			return err
		}
		fmt.Fprintf(&c.out, "Total snapshots: %d\n", len(nodes))
		for _, node := range nodes {
			if c.line.mode("") == "showtree" {
				c.out.WriteString(strings.Repeat("\t", node.Depth))
			}
			c.out.WriteString(node.Name() + "\n")
		}
		return nil
	})
}

// exitUnknownTools is what one report saw for a machine that is off.
const exitUnknownTools = 254

func (c *call) checkToolsState() error {
	if !c.vm.alive() {
		return failure{"unknown\n", exitUnknownTools}
	}
	c.out.WriteString("running\n")
	return nil
}

func (c *call) guestIPAddress() error {
	if !c.vm.alive() {
		return c.notPoweredOn()
	}
	fmt.Fprintf(&c.out, "192.168.56.%d\n", 10+len(c.vm.vmx)%200)
	return nil
}
