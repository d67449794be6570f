//go:build linux

package standin

import (
	"fmt"
	"strings"

	"granary/integration/standin/machine"
)

func (c *call) list() error {
	paths, err := c.state.RunningVMs()
	if err != nil {
		return err
	}
	c.printPaths("Total running VMs", paths)
	return nil
}

// printPaths prints those of the paths that are machines of the call's host,
// under a heading with their number.
func (c *call) printPaths(heading string, paths []string) {
	trailing := ""
	if c.fault.Trailing {
		trailing = " "
	}
	var lines strings.Builder
	count := 0
	for _, path := range paths {
		path, ok := c.remotePath(path)
		if !ok {
			continue
		}
		switch c.fault.Case {
		case "upper":
			path = strings.ToUpper(path)
		case "lower":
			path = strings.ToLower(path)
		}
		count++
		lines.WriteString(path + trailing + "\n")
	}
	fmt.Fprintf(&c.out, "%s: %d%s\n%s", heading, count, trailing, &lines)
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
