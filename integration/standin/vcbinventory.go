//go:build linux

package standin

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"granary/integration/standin/dictionary"
	"granary/integration/standin/machine"
)

// vcbVM is a machine as the host lists it.
type vcbVM struct {
	*vm
	name    string // displayName
	uuid    string // uuid.bios as the .vmx has it
	moref   string
	address string // of the running guest, or ""
}

// inventory lists the machines below the folders.
func (c *vcbCall) inventory() ([]vcbVM, error) {
	var list []vcbVM
	for _, folder := range c.settings.Folders {
		err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // machines come and go
			}
			if err != nil || !e.Type().IsRegular() || filepath.Ext(path) != ".vmx" {
				return err
			}
			vm, err := c.state.vmOfHost(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			list = append(list, vm)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list virtual machines: %w", err)
		}
	}
	return list, nil
}

// vmOfHost is the machine at path with what a host knows of it. Its moref and
// its address are derived from the path, so they are always the same.
func (s *State) vmOfHost(path string) (vcbVM, error) {
	config, err := dictionary.Load(path)
	if err != nil {
		return vcbVM{}, err
	}
	v, err := s.vm(path)
	if err != nil {
		return vcbVM{}, err
	}
	key, err := hex.DecodeString(filepath.Base(v.dir))
	if err != nil {
		return vcbVM{}, err
	}
	vm := vcbVM{vm: v, name: config.Get("displayName"), uuid: config.Get("uuid.bios"),
		moref: fmt.Sprintf("vm-%d", uint32(key[0])<<16|uint32(key[1])<<8|uint32(key[2]))}
	if v.alive() {
		vm.address = fmt.Sprintf("10.%d.%d.%d", key[0], key[1], key[2])
	}
	return vm, nil
}

// fits tells whether vm is meant by a kind, in any case, and a value.
func (v vcbVM) fits(kind, value string) bool {
	switch strings.ToLower(kind) {
	case "any":
		return true
	case "name":
		return v.name == value
	case "ipaddr":
		return v.address != "" && v.address == value
	case "uuid":
		plain := strings.NewReplacer(" ", "", "-", "").Replace
		return strings.EqualFold(plain(v.uuid), plain(value))
	case "moref":
		return v.moref == value
	case "powerstate":
		return v.alive() == strings.EqualFold(value, "on")
	}
	return false
}

// matching returns the machines that the call's target means, at least one.
func (c *vcbCall) matching() ([]vcbVM, error) {
	kind, value, found := strings.Cut(c.line.target, ":")
	if !found {
		return nil, vcbRefuse("Error: %q names no virtual machine", c.line.target)
	}
	list, err := c.inventory()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(v vcbVM) bool { return !v.fits(kind, value) })
	if len(list) == 0 {
		return nil, vcbRefuse("Error: Could not find a virtual machine that matches %s", c.line.target)
	}
	return list, nil
}

// one returns the one machine that the call's target means.
func (c *vcbCall) one() (vcbVM, error) {
	list, err := c.matching()
	if err != nil {
		return vcbVM{}, err
	}
	if len(list) > 1 {
		return vcbVM{}, vcbRefuse("Error: %s matches %d virtual machines", c.line.target, len(list))
	}
	return list[0], nil
}

// names is vcbVmName.
func (c *vcbCall) names() error {
	list, err := c.matching()
	if err != nil {
		return err
	}
	for _, v := range list {
		fmt.Fprintf(&c.out, "moref:%s\nname:%s\nuuid:%s\n", v.moref, v.name, v.uuid)
		if v.address != "" {
			fmt.Fprintf(&c.out, "ipaddr:%s\n", v.address)
		}
	}
	return nil
}

// ssidMark stands before the identifier of a snapshot.
const ssidMark = "SsId:"

// findSnapshot is vcbSnapshot -f.
func (c *vcbCall) findSnapshot() error {
	found := 0
	err := c.eachSnapshot(func(s *machine.Snapshot) {
		if s.Name() == c.line.snapshot {
			found++
			fmt.Fprintf(&c.out, "%s%s\n", ssidMark, s.UID())
		}
	})
	if err == nil && found == 0 {
		err = vcbRefuse("Error: Could not find snapshot '%s'", c.line.snapshot)
	}
	return err
}

func (c *vcbCall) eachSnapshot(look func(*machine.Snapshot)) error {
	v, err := c.one()
	if err != nil {
		return err
	}
	return c.withVM(v.vm, func(m *machine.Machine, _ machine.Operation) error {
		nodes, err := m.Snapshots()
		for _, node := range nodes {
			look(node.Snapshot)
		}
		return err
	})
}

// deleteSnapshot is vcbSnapshot -d.
func (c *vcbCall) deleteSnapshot() error {
	name := ""
	err := c.eachSnapshot(func(s *machine.Snapshot) {
		if strings.EqualFold(ssidMark+s.UID(), c.line.snapshot) {
			name = s.Name()
		}
	})
	if err != nil {
		return err
	}
	if name == "" {
		return vcbRefuse("Error: Could not find snapshot %s", c.line.snapshot)
	}
	v, err := c.one()
	if err != nil {
		return err
	}
	return c.thaw(v.vm, name)
}
