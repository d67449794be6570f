package capture

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"granary/capture/vmx"
	"granary/repo/format"
)

// roles of files in a VM's folder, by extension. Swap (.vswp), redo logs of
// disks that forget (.REDO) and locks (.lck) stay out, and so do disks that
// nothing refers to.
var roles = map[string]format.Role{
	".vmxf": format.RoleConfig, ".vmsd": format.RoleConfig, ".nvram": format.RoleConfig,
	".vmpl": format.RoleConfig, ".vmtm": format.RoleConfig, ".cfg": format.RoleConfig,
	".cpt": format.RoleConfig, ".vmtx": format.RoleConfig,
	".vmsn": format.RoleMemory, ".vmss": format.RoleMemory, ".vmem": format.RoleMemory,
	".log": format.RoleLog,
}

// folder plans what lies beside the configuration.
func (p *planner) folder() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("read the VM's folder: %w", err)
	}
	for _, e := range entries {
		role, ours := roles[strings.ToLower(filepath.Ext(e.Name()))]
		if !ours || !e.Type().IsRegular() || liveMemory(e.Name(), entries) {
			continue
		}
		if strings.EqualFold(filepath.Ext(e.Name()), ".vmss") {
			p.plan.Suspended = true
		}
		if err := p.add(filepath.Join(p.dir, e.Name()), role); err != nil {
			return err
		}
	}
	for key, role := range map[string]format.Role{"nvram": format.RoleConfig, "checkpoint.vmState": format.RoleMemory} {
		name, ok := p.config.Get(key)
		if path := resolve(p.dir, name); ok && name != "" && exists(path) {
			if err := p.add(path, role); err != nil {
				return err
			}
			p.plan.Suspended = p.plan.Suspended || role == format.RoleMemory
		}
	}
	return nil
}

// liveMemory tells whether a file is the memory of a guest that runs: it belongs
// to no saved state, changes all the time, and is worth nothing afterwards.
func liveMemory(name string, beside []os.DirEntry) bool {
	ext := filepath.Ext(name)
	if !strings.EqualFold(ext, ".vmem") {
		return false
	}
	stem := strings.TrimSuffix(name, ext)
	return !slices.ContainsFunc(beside, func(e os.DirEntry) bool {
		rest, same := strings.CutPrefix(e.Name(), stem)
		return same && (strings.EqualFold(rest, ".vmsn") || strings.EqualFold(rest, ".vmss"))
	})
}

// maxSnapshots bounds what a .vmsd file makes granary look for.
const maxSnapshots = 1000

// readSnapshots reads a VM's list of snapshots, the .vmsd file; nil for a VM
// that has none.
func readSnapshots(vmxPath string) (*vmx.File, error) {
	path := strings.TrimSuffix(vmxPath, filepath.Ext(vmxPath)) + ".vmsd"
	data, err := readSmall(path, vmx.MaxSize)
	if errors.Is(err, ErrMissing) || err == nil && len(bytes.TrimSpace(data)) == 0 {
		return nil, nil // a VM without snapshots has no such file, or an empty one
	}
	if err != nil {
		return nil, fmt.Errorf("read snapshots: %w", err)
	}
	list, err := vmx.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read snapshots %s: %w", path, err)
	}
	return list, nil
}

// snapshotNames are the display names in a list of snapshots.
func snapshotNames(list *vmx.File) (names []string) {
	for i := range maxSnapshots {
		if name, ok := list.Get(fmt.Sprintf("snapshot%d.displayName", i)); ok {
			names = append(names, name)
		}
	}
	return names
}

// snapshots plans the disks of all snapshots, those of side branches too, so
// that a restored VM can still go back to each.
func (p *planner) snapshots() {
	list, err := readSnapshots(p.plan.VMX)
	if err != nil {
		p.warn("%v: snapshots off the current chain are not captured", err)
	}
	if list == nil {
		return
	}
	p.plan.Snapshots = snapshotNames(list)
	for i := range maxSnapshots {
		for j := range maxSnapshots {
			name, ok := list.Get(fmt.Sprintf("snapshot%d.disk%d.fileName", i, j))
			if !ok {
				break
			}
			if err := p.disk(resolve(p.dir, name)); err != nil {
				p.warn("a disk of a snapshot is not captured: %v", err)
			}
		}
	}
}
