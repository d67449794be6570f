//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"granary/integration/guest"
	"granary/integration/standin/machine"
)

// VM is a machine that has been made. Its disks change with each snapshot: ask
// Disks for those it has now.
type VM struct {
	Name string
	Dir  string // absolute
	VMX  string // absolute
	ID   guest.ID
}

// Disks returns the machine's current disks in their order.
func (vm *VM) Disks() ([]string, error) { return Disks(vm.VMX) }

// OpenVM returns the machine whose .vmx is at path.
func OpenVM(path string) (*VM, error) {
	m, err := machine.Open(path, "")
	if err != nil {
		return nil, err
	}
	name := m.Config().Get("displayName")
	return &VM{Name: name, Dir: filepath.Dir(m.Path()), VMX: m.Path(), ID: guest.NewID(name)}, nil
}

// Disks returns the disks that the .vmx at path names, in their order. A disk
// outside the machine's directory is where it was when the .vmx was written.
func Disks(path string) ([]string, error) {
	m, err := machine.Open(path, "")
	if err != nil {
		return nil, err
	}
	return m.DiskPaths(), nil
}

// MakeVM makes the machine that spec describes. It is off.
func MakeVM(ctx context.Context, spec Spec) (*VM, error) {
	spec, err := spec.withDefaults()
	if err == nil {
		spec.Dir, err = filepath.Abs(spec.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("make machine: %w", err)
	}
	scratch, err := os.MkdirTemp("", "lab-")
	if err != nil {
		return nil, fmt.Errorf("make machine: %w", err)
	}
	vm := &VM{
		Name: spec.Name, Dir: spec.Dir, ID: guest.NewID(spec.Name),
		VMX: filepath.Join(spec.Dir, fileStem(spec.Name)+".vmx"),
	}
	if err := errors.Join(vm.make(ctx, spec, scratch), os.RemoveAll(scratch)); err != nil {
		return nil, fmt.Errorf("make machine %q: %w", spec.Name, err)
	}
	return vm, nil
}

func (vm *VM) make(ctx context.Context, spec Spec, scratch string) error {
	if err := os.MkdirAll(vm.Dir, 0o755); err != nil {
		return err
	}
	var names []string
	for number := range spec.Disks {
		name, err := vm.makeDisk(ctx, spec, number, scratch)
		if err != nil {
			return fmt.Errorf("disk %d: %w", number, err)
		}
		names = append(names, name)
	}
	if err := vm.writeConfiguration(spec, names); err != nil {
		return err
	}
	for number := range spec.Chain {
		if err := vm.deepen(ctx, fmt.Sprintf("level %d", number+1), scratch); err != nil {
			return err
		}
	}
	return nil
}

// makeDisk makes disk number and returns its name for the .vmx.
func (vm *VM) makeDisk(ctx context.Context, spec Spec, number int, scratch string) (string, error) {
	dir := vm.Dir
	if spec.ExternalDisk != "" && number == spec.Disks-1 {
		var err error
		if dir, err = filepath.Abs(spec.ExternalDisk); err != nil {
			return "", err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	stem := diskStem(vm.Name)
	if number > 0 {
		stem = fmt.Sprintf("%s_%d", stem, number)
	}
	files, err := vm.diskFiles(ctx, spec, number, stem, scratch)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if err := f.write(dir); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, stem+".vmdk")
	if spec.Subformat == streamOptimized {
		// Nothing writes into a compressed extent: the machine is a clone of it.
		base := path
		path = filepath.Join(dir, stem+"-000001.vmdk")
		if err := machine.CreateDelta(ctx, base, path); err != nil {
			return "", err
		}
	}
	if dir == vm.Dir {
		return filepath.Base(path), nil
	}
	return path, nil
}

// diskFiles returns the files of a new disk called STEM.vmdk.
func (vm *VM) diskFiles(ctx context.Context, spec Spec, number int, stem, scratch string) ([]sparseFile, error) {
	key := diskKey{vm.Name, spec.Subformat, spec.DiskSize, number, spec.Disks}
	if files, ok := made.get(key); ok {
		return files, nil
	}
	raw := filepath.Join(scratch, "raw")
	if err := makeImage(ctx, raw, spec, number, vm.ID); err != nil {
		return nil, err
	}
	dir := filepath.Join(scratch, "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	options := "subformat=" + spec.Subformat + ",adapter_type=lsilogic"
	err := run(ctx, "qemu-img", "convert", "-t", "unsafe", "-f", "raw", "-O", "vmdk", "-o", options, raw, filepath.Join(dir, stem+".vmdk"))
	if err != nil {
		return nil, err
	}
	files, err := readSparseFiles(dir)
	if err = errors.Join(err, os.Remove(raw), os.RemoveAll(dir)); err != nil {
		return nil, err
	}
	made.put(key, files)
	return files, nil
}

// deepen lets the machine run for a moment and takes a snapshot of it.
func (vm *VM) deepen(ctx context.Context, snapshot, scratch string) error {
	m, err := machine.Open(vm.VMX, filepath.Join(scratch, "journal"))
	if err != nil {
		return err
	}
	g, err := guest.Boot(ctx, guest.Config{Disks: m.DiskPaths(), Cache: guest.Writeback})
	if err != nil {
		return err
	}
	defer g.Kill()
	for {
		status, err := g.Status()
		if err != nil {
			return err
		}
		if status.Writes >= uint64(8*len(m.DiskPaths())) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := g.Shutdown(guest.CleanShutdown); err != nil {
		return err
	}
	return m.Take(ctx, snapshot, machine.Operation{})
}
