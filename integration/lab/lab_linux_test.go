package lab

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
		"NUL":               {Dir: "x", Name: "x\x00y"},
		"no memory":         {Dir: "x", Name: "x", MemSize: -1},
	} {
		if _, err := MakeVM(t.Context(), spec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func BenchmarkMakeVM(b *testing.B) {
	dir := b.TempDir()
	for number := range b.N {
		if _, err := MakeVM(b.Context(), Spec{Name: "web", Dir: filepath.Join(dir, strconv.Itoa(number)), Disks: 2}); err != nil {
			b.Fatal(err)
		}
	}
}

// hostileNames are what a machine may be called and a program may choke on.
var hostileNames = map[string]string{
	"spaces":        "  two  words ",
	"quotes":        `"double" 'single' |22`,
	"umlauts":       "Prüfstand für Ärger",
	"shell":         ";rm -rf $HOME `id` &",
	"newline":       "first\nsecond",
	"200 letters":   strings.Repeat("x", 200),
	"200 umlauts":   strings.Repeat("ü", 200),
	"not UTF-8":     "caf\xe9 \xff",
	"path":          "../up/../and away",
	"flag":          "--help",
	"colon, commas": "nbd:unix,a=b:,,",
	"percent":       "100%s*?[a]",
}

func TestHostileNames(t *testing.T) {
	for about, name := range hostileNames {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			folder := strings.ReplaceAll(shorten(name), "/", "_")
			vm := makeVM(t, Spec{
				Name: name, Dir: filepath.Join(t.TempDir(), folder), DiskSize: 48 << 20, Disks: 2, Chain: 1,
				ExternalDisk: filepath.Join(t.TempDir(), folder), Subformat: "twoGbMaxExtentSparse",
			})
			again, err := OpenVM(vm.VMX)
			if err != nil || again.Name != name || filepath.Dir(again.VMX) != vm.Dir {
				t.Fatalf("opened again it is %+v, %v", again, err)
			}
			disks := disksOf(t, vm)
			if len(disks) != 2 || filepath.Base(filepath.Dir(disks[1])) != filepath.Base(folder) {
				t.Fatalf("disks %q", disks)
			}
			if report, err := guest.Verify(t.Context(), disks); err != nil || report.ID != vm.ID {
				t.Errorf("Verify = %+v, %v", report, err)
			}
			if err := ChangeFiles(t.Context(), vm, 1, "monday", 100<<10); err != nil {
				t.Error(err)
			}
			if err := CheckFilesystem(t.Context(), disks[1]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEncryptionAndMemory(t *testing.T) {
	vm := makeVM(t, Spec{Name: "safe", DiskSize: 48 << 20, Encrypted: true, MemSize: 2048})
	m, err := machine.Open(vm.VMX, "")
	if err != nil {
		t.Fatal(err)
	}
	config := m.Config()
	if config.Get("vmx.encryptionType") != "partial" || !strings.HasPrefix(config.Get("encryption.keySafe"), "vmware:key/list/") || config.Get("encryption.data") == "" {
		t.Errorf("not encrypted:\n%s", config.Bytes())
	}
	if got := config.Get("memsize"); got != "2048" {
		t.Errorf("memsize %q", got)
	}
	if _, err := guest.Verify(t.Context(), disksOf(t, vm)); err != nil {
		t.Error(err)
	}
}

// A disk of the cache is one of its own.
func TestEqualSpecs(t *testing.T) {
	spec := Spec{Name: "twin", DiskSize: 48 << 20, Subformat: "monolithicFlat"}
	first, second := makeVM(t, spec), makeVM(t, spec)
	if err := ChangeFiles(t.Context(), first, 0, "monday", 100<<10); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(t.Context(), disksOf(t, second)[0], "/var/monday"); err == nil {
		t.Error("a change in one machine shows in the other")
	}
	third := makeVM(t, spec)
	for _, name := range []string{"twin.vmdk", "twin-flat.vmdk"} {
		two, err := os.ReadFile(filepath.Join(second.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		three, err := os.ReadFile(filepath.Join(third.Dir, name))
		if err != nil || !bytes.Equal(two, three) {
			t.Errorf("%s differs, %v", name, err)
		}
	}
}

func TestMakeTeam(t *testing.T) {
	dir := t.TempDir()
	path, err := MakeTeam(filepath.Join(dir, "teams"), `R&D "one"`, filepath.Join(dir, "teams", "a.vmx"), filepath.Join(dir, "vms", "<b> & c\n.vmx"))
	if err != nil || path != filepath.Join(dir, "teams", `R&D "one".vmtm`) {
		t.Fatalf("MakeTeam = %q, %v", path, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var team struct {
		Name    string   `xml:"VMTeam>displayName"`
		Members []string `xml:"VMTeam>VM>vmxPathName"`
	}
	if err := xml.Unmarshal(text, &team); err != nil {
		t.Fatal(err)
	}
	want := []string{"a.vmx", "../vms/<b> & c\n.vmx"}
	if team.Name != `R&D "one"` || !slices.Equal(team.Members, want) {
		t.Errorf("team %+v, want %q", team, want)
	}
	for _, refused := range [][]string{{"", "a.vmx"}, {"no members"}, {"t", "caf\xe9.vmx"}, {"t", "\x01.vmx"}, {"\xff", "a.vmx"}} {
		if _, err := MakeTeam(dir, refused[0], refused[1:]...); err == nil {
			t.Errorf("%q: accepted", refused)
		}
	}
}
