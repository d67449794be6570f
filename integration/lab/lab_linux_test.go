package lab

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"granary/integration/guest"
	"granary/integration/standin/machine"
)

func makeVM(t *testing.T, spec Spec) *VM {
	t.Helper()
	if spec.Dir == "" {
		spec.Dir = filepath.Join(t.TempDir(), spec.Name)
	}
	vm, err := MakeVM(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func disksOf(t *testing.T, vm *VM) []string {
	t.Helper()
	disks, err := vm.Disks()
	if err != nil {
		t.Fatal(err)
	}
	return disks
}

func TestEverySubformat(t *testing.T) {
	for _, subformat := range Subformats {
		t.Run(subformat, func(t *testing.T) {
			t.Parallel()
			vm := makeVM(t, Spec{Name: "web", Subformat: subformat, Disks: 2, DiskSize: 64 << 20})
			disks := disksOf(t, vm)
			report, err := guest.Verify(t.Context(), disks)
			if err != nil || report.Seq != 1 || report.ID != vm.ID || report.Flag != guest.CleanShutdown {
				t.Fatalf("Verify = %+v, %v", report, err)
			}
			if err := CheckFilesystem(t.Context(), disks[0]); err != nil {
				t.Fatal(err)
			}
			if name, err := ReadFile(t.Context(), disks[1], "/etc/hostname"); err != nil || string(name) != "web\n" {
				t.Fatalf("hostname %q, %v", name, err)
			}
			g, err := guest.Boot(t.Context(), guest.Config{Disks: disks, Cache: guest.Writeback})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Shutdown(guest.CleanShutdown); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestFilesOfAMachine(t *testing.T) {
	external := filepath.Join(t.TempDir(), "else where")
	vm := makeVM(t, Spec{Name: "db", Disks: 2, ExternalDisk: external, Chain: 2, Independent: true})
	for _, name := range []string{
		"db.vmx", "db.vmxf", "db.nvram", "db.vmsd", "vmware.log", "db.vmdk",
		"db-000001.vmdk", "db-000002.vmdk", "db-Snapshot1.vmsn", "db-Snapshot2.vmsn",
	} {
		if _, err := os.Stat(filepath.Join(vm.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	disks := disksOf(t, vm)
	want := []string{filepath.Join(vm.Dir, "db-000002.vmdk"), filepath.Join(external, "db_1.vmdk")}
	if strings.Join(disks, "|") != strings.Join(want, "|") {
		t.Errorf("disks %q, want %q", disks, want)
	}
	if report, err := guest.Verify(t.Context(), disks); err != nil || report.Boots != 2 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
	m, err := machine.Open(vm.VMX, "")
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := m.Snapshots()
	if err != nil || len(nodes) != 2 || nodes[1].Name() != "level 2" || nodes[1].Depth != 1 {
		t.Errorf("snapshots %+v, %v", nodes, err)
	}
}

func TestChangeFiles(t *testing.T) {
	vm := makeVM(t, Spec{Name: "mail", Subformat: "twoGbMaxExtentSparse", DiskSize: 48 << 20})
	disk := disksOf(t, vm)[0]
	for _, day := range []string{"monday", "tuesday"} {
		if err := ChangeFiles(t.Context(), vm, 0, day, 300<<10); err != nil {
			t.Fatal(err)
		}
		if err := CheckFilesystem(t.Context(), disk); err != nil {
			t.Fatal(err)
		}
	}
	monday, err := ReadFile(t.Context(), disk, "/var/monday")
	if err != nil || len(monday) != 300<<10 {
		t.Fatalf("read %d bytes, %v", len(monday), err)
	}
	tuesday, err := ReadFile(t.Context(), disk, "/var/tuesday")
	if err != nil || bytes.Equal(monday, tuesday) {
		t.Fatalf("equal files, %v", err)
	}
	if _, err := ReadFile(t.Context(), disk, "/var/wednesday"); err == nil {
		t.Fatal("read a file that is not there")
	}
}

func TestCheckFilesystemFindsDamage(t *testing.T) {
	vm := makeVM(t, Spec{Name: "broken", DiskSize: 48 << 20})
	disk := disksOf(t, vm)[0]
	device, err := guest.OpenDevice(t.Context(), disk, guest.Writeback)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.WriteAt(make([]byte, 64<<10), 4096); err != nil {
		t.Fatal(err)
	}
	if err := device.Close(); err != nil {
		t.Fatal(err)
	}
	if err := CheckFilesystem(t.Context(), disk); err == nil {
		t.Fatal("a damaged file system passed")
	}
}

func TestSpecIsChecked(t *testing.T) {
	for name, spec := range map[string]Spec{
		"no name":           {Dir: "x"},
		"foreign subformat": {Dir: "x", Name: "x", Subformat: "vhd"},
		"too many disks":    {Dir: "x", Name: "x", Disks: 8},
		"too small":         {Dir: "x", Name: "x", DiskSize: 40 << 20},
	} {
		if _, err := MakeVM(t.Context(), spec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
