//go:build linux

package standin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"granary/integration/standin/dictionary"
	"granary/integration/standin/machine"
)

// frozen is a machine at the moment of its snapshot.
type frozen struct {
	vcbVM
	config []byte // the .vmx before the snapshot
	disks  []machine.Disk
}

// export is vcbMounter -t fullvm.
func (c *vcbCall) export() (err error) {
	v, err := c.one()
	if err != nil {
		return err
	}
	if c.line.kind != "fullvm" || c.line.dir == "" {
		return failure{vcbUsage, exitFailure}
	}
	if _, err := os.Lstat(c.line.dir); err == nil {
		return failure{fmt.Sprintf("Error: Cannot mount virtual machine: %s already exists\n", c.line.dir), exitFailure}
	}
	x, err := c.freeze(v)
	if err != nil {
		return err
	}
	c.out.WriteString(vcbLog("info", "Created snapshot %s", vcbSnapshotName))
	err = c.write(x)
	if !c.fault.KeepSnapshot {
		err = errors.Join(err, c.thaw(v.vm, vcbSnapshotName))
	}
	return err
}

// freeze snapshots the machine, unless it has such a snapshot already.
func (c *vcbCall) freeze(v vcbVM) (x frozen, err error) {
	x.vcbVM = v
	err = c.withVM(v.vm, func(m *machine.Machine, o machine.Operation) error {
		nodes, err := m.Snapshots()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(nodes, func(n machine.Node) bool { return n.Name() == vcbSnapshotName }) {
			return vcbRefuse("Error: Snapshot creation failed: a snapshot named %s already exists. Delete it and try again.", vcbSnapshotName)
		}
		if x.config, err = os.ReadFile(m.Path()); err != nil {
			return err
		}
		x.disks = slices.DeleteFunc(m.Disks(), func(d machine.Disk) bool { return d.Independent })
		return m.Take(context.Background(), vcbSnapshotName, o)
	})
	return x, err
}

// thaw deletes the snapshot called name.
func (c *vcbCall) thaw(v *vm, name string) error {
	return c.withVM(v, func(m *machine.Machine, o machine.Operation) error {
		return m.Delete(context.Background(), name, false, o)
	})
}

// write makes the export directory. The catalog comes last.
func (c *vcbCall) write(x frozen) error {
	if err := os.Mkdir(c.line.dir, 0o755); err != nil {
		return err
	}
	if err := c.put("unmount.dat", []byte("moref= \""+x.moref+"\"\nsnapshot= \""+vcbSnapshotName+"\"\n")); err != nil {
		return err
	}
	if err := delay(c.settings.Delay); err != nil {
		return err
	}
	for i, disk := range x.disks {
		if err := c.convert(disk); err != nil {
			return err
		}
		if i > 0 {
			continue
		}
		if c.fault.Do == Fill {
			return errors.Join(c.loseExtent(disk, true),
				vcbRefuse("Error: Failed to write %s: There is not enough space on the disk.", vcbDiskName(disk)))
		}
		if err := c.strike(Midway); err != nil {
			return err
		}
	}
	configs, logs, err := c.copyRest(x)
	if err != nil {
		return err
	}
	if c.fault.Lose != LoseCatalog {
		if err := c.put("catalog", c.catalog(x, configs, logs)); err != nil {
			return err
		}
	}
	return c.lose(x.disks)
}

func (c *vcbCall) put(name string, data []byte) error {
	return os.WriteFile(filepath.Join(c.line.dir, name), data, 0o644)
}

// vcbDiskName is what an export calls a disk, as far as is recalled.
func vcbDiskName(d machine.Disk) string {
	return strings.ToLower(strings.ReplaceAll(d.Node, ":", "-")) + "-0-" + filepath.Base(d.Path)
}

// convert writes a frozen disk, with what its parents hold, as one disk.
// qemu-img dies with this process.
func (c *vcbCall) convert(d machine.Disk) error {
	subformat := "twoGbMaxExtentSparse"
	if c.line.monolithic {
		subformat = "monolithicFlat"
	}
	// Absolute paths only: others are options, or addresses, to qemu-img.
	dir, err := filepath.Abs(c.line.dir)
	if err != nil {
		return err
	}
	command := exec.Command("qemu-img", "convert", "-q", "-U", "-f", "vmdk", "-O", "vmdk", "-t", "unsafe",
		"-o", "subformat="+subformat+",adapter_type=lsilogic", d.Path, filepath.Join(dir, vcbDiskName(d)))
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("export %s: %w: %s", d.Node, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// copyRest writes the .vmx as it was, the firmware's memory and the logs, and
// returns the names of the latter two.
func (c *vcbCall) copyRest(x frozen) (configs, logs []string, err error) {
	if err := c.put(filepath.Base(x.vmx), x.config); err != nil {
		return nil, nil, err
	}
	home := filepath.Dir(x.vmx)
	if nvram := dictionary.Parse(x.config).Get("nvram"); nvram != "" {
		configs = append(configs, filepath.Base(nvram))
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "vmware") && filepath.Ext(entry.Name()) == ".log" {
			logs = append(logs, entry.Name())
		}
	}
	for _, name := range slices.Concat(configs, logs) {
		data, err := os.ReadFile(filepath.Join(home, name))
		if err == nil {
			err = c.put(name, data)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return configs, logs, nil
}

// catalog is what the export says of itself.
func (c *vcbCall) catalog(x frozen, configs, logs []string) []byte {
	var b strings.Builder
	set := func(key, value string) {
		fmt.Fprintf(&b, "%s= \"%s\"\n", key, strings.ReplaceAll(value, "\n", " "))
	}
	home := "[storage1] " + filepath.Base(filepath.Dir(x.vmx)) + "/"
	set("version", "esx-3.0")
	set("state", map[bool]string{true: "poweredOn", false: "poweredOff"}[x.address != ""])
	set("display_name", x.name)
	set("uuid", x.uuid)
	for _, disk := range x.disks {
		set("disk."+disk.Node+".filename", vcbDiskName(disk))
		set("disk."+disk.Node+".diskname", home+filepath.Base(disk.Path))
	}
	set("config.vmx", home+filepath.Base(x.vmx))
	set("host", c.line.host)
	set("timestamp", time.Now().Format(time.ANSIC))
	for i, name := range configs {
		set(fmt.Sprintf("config.file%d", i), home+name)
	}
	for i, name := range logs {
		set(fmt.Sprintf("log.file%d", i), home+name)
	}
	set("folderpath", "/ha-folder-root/ha-datacenter/vm")
	set("resourcepool", "/ha-folder-root/ha-datacenter/host/"+c.line.host+"/Resources")
	return []byte(b.String())
}

// lose takes from the last of the exported disks what the fault says.
func (c *vcbCall) lose(disks []machine.Disk) error {
	if len(disks) == 0 {
		return nil
	}
	d := disks[len(disks)-1]
	switch c.fault.Lose {
	case LoseDisk:
		files, err := c.filesOf(d)
		for _, file := range append(files, filepath.Join(c.line.dir, vcbDiskName(d))) {
			err = errors.Join(err, os.Remove(file))
		}
		return err
	case LoseExtent:
		return c.loseExtent(d, false)
	case LoseTail:
		return c.loseExtent(d, true)
	}
	return nil
}

// loseExtent removes the last extent of a disk, or the latter half of it.
func (c *vcbCall) loseExtent(d machine.Disk, half bool) error {
	files, err := c.filesOf(d)
	if err != nil {
		return err
	}
	last := files[len(files)-1]
	if !half {
		return os.Remove(last)
	}
	info, err := os.Stat(last)
	if err != nil {
		return err
	}
	return os.Truncate(last, info.Size()/2)
}

// filesOf returns the extents of an exported disk, in order.
func (c *vcbCall) filesOf(d machine.Disk) ([]string, error) {
	entries, err := os.ReadDir(c.line.dir)
	if err != nil {
		return nil, err
	}
	var files []string
	stem := strings.TrimSuffix(vcbDiskName(d), ".vmdk") + "-"
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), stem) {
			files = append(files, filepath.Join(c.line.dir, entry.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no extents of %s", vcbDiskName(d))
	}
	return files, nil
}

// unmount is vcbMounter -U.
func (c *vcbCall) unmount() error {
	if _, err := os.Stat(filepath.Join(c.line.dir, "unmount.dat")); err != nil {
		return vcbRefuse("Error: %s is not a mount point: unmount.dat cannot be read", c.line.dir)
	}
	c.out.WriteString(vcbLog("info", "Unmounted %s", c.line.dir))
	return nil
}
