package machine_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/integration/lab"
	"granary/integration/standin/dictionary"
	"granary/integration/standin/machine"
)

func open(t *testing.T, vm *lab.VM) *machine.Machine {
	t.Helper()
	m, err := machine.Open(vm.VMX, filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func makeVM(t *testing.T, spec lab.Spec) *lab.VM {
	t.Helper()
	spec.Dir, spec.Name, spec.DiskSize = filepath.Join(t.TempDir(), "vm"), "web", 48<<20
	vm, err := lab.MakeVM(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// What others wrote into the snapshot list stays, keys unknown here as well.
func TestForeignSnapshotIsKept(t *testing.T) {
	vm := makeVM(t, lab.Spec{Chain: 1})
	path := filepath.Join(vm.Dir, "web.vmsd")
	list, err := dictionary.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	list.Set("snapshot0.description", `before "the" update`)
	list.Set("snapshot0.type", "1")
	if err := list.Store(path); err != nil {
		t.Fatal(err)
	}
	m := open(t, vm)
	if err := m.Take(t.Context(), "ours", machine.Operation{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Delete(t.Context(), "ours", false, machine.Operation{}); err != nil {
		t.Fatal(err)
	}
	after, err := dictionary.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list.Names() {
		if name == "snapshot.lastUID" {
			continue // counts on
		}
		if after.Get(name) != list.Get(name) {
			t.Errorf("%s was %q, is %q", name, list.Get(name), after.Get(name))
		}
	}
}

func TestSnapshotTime(t *testing.T) {
	vm := makeVM(t, lab.Spec{})
	before := time.Now().Add(-time.Microsecond)
	if err := open(t, vm).Take(t.Context(), "now", machine.Operation{}); err != nil {
		t.Fatal(err)
	}
	list, err := dictionary.Load(filepath.Join(vm.Dir, "web.vmsd"))
	if err != nil {
		t.Fatal(err)
	}
	high, highErr := strconv.ParseInt(list.Get("snapshot0.createTimeHigh"), 10, 64)
	low, lowErr := strconv.ParseInt(list.Get("snapshot0.createTimeLow"), 10, 32)
	if highErr != nil || lowErr != nil {
		t.Fatal(highErr, lowErr)
	}
	taken := time.UnixMicro(high<<32 + int64(uint32(low)))
	if taken.Before(before) || taken.After(time.Now()) {
		t.Errorf("taken at %v", taken)
	}
}

func TestDisks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.vmx")
	text := strings.Join([]string{
		`scsi0:10.present = "TRUE"`, `scsi0:10.fileName = "ten.vmdk"`,
		`SCSI0:2.Present = "true"`, `SCSI0:2.FileName = "two.vmdk"`, `scsi0:2.mode = "Independent-nonpersistent"`,
		`ide1:0.present = "TRUE"`, `ide1:0.deviceType = "cdrom-image"`, `ide1:0.fileName = "cd.vmdk"`,
		`sata0:0.fileName = "absent.vmdk"`,
		`nvme0:0.present = "TRUE"`, `nvme0:0.fileName = "/abs/n.vmdk"`, ``,
	}, "\n")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := machine.Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/abs/n.vmdk", filepath.Join(dir, "two.vmdk"), filepath.Join(dir, "ten.vmdk")}
	if got := m.DiskPaths(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("disks %q, want %q", got, want)
	}
	if disks := m.Disks(); !disks[1].Independent || disks[2].Independent {
		t.Errorf("independent: %+v", disks)
	}
}

func TestLocks(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	locks := machine.NewLocks(4711)
	for _, held := range [][]string{{a}, {a, b}, {b}, nil} {
		if err := locks.Hold(held); err != nil {
			t.Fatal(err)
		}
		found, err := filepath.Glob(filepath.Join(dir, "*.lck", "M?????.lck"))
		if err != nil || len(found) != len(held) {
			t.Errorf("holding %q: %q, %v", held, found, err)
		}
	}
}
