package standin_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/capture/vcb"
	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
	"granary/integration/standin/dictionary"
)

// Before TestMain: the test binary is these programs, too.
func init() {
	if standin.VCBCalled() {
		os.Exit(standin.VCBMain(os.Args, os.Stdin, os.Stdout))
	}
}

// vcbRig is a rig whose machine a vcbMounter exports.
type vcbRig struct {
	*rig
	client *vcb.Client
	target vcb.Target
	bin    string // folder of the programs
	dir    string // to export to
}

func newVCBRig(t *testing.T, spec lab.Spec) *vcbRig {
	t.Helper()
	if spec.Name == "" {
		spec.Name = "web"
	}
	r := newRig(t, spec)
	bin := t.TempDir()
	r.link(bin)
	v := &vcbRig{rig: r, bin: bin, dir: filepath.Join(t.TempDir(), "export"), target: vcb.Target{Kind: vcb.ByName, Value: r.vm.Name},
		client: &vcb.Client{Program: filepath.Join(bin, "vcbMounter"), Host: "esx1.example", User: "root", Password: "geheim"}}
	v.configure(standin.VCBSettings{Hosts: map[string]standin.VCBHost{"esx1.example": {User: "root", Password: "geheim"}}})
	return v
}

// link puts the programs into the folder bin: scripts, which give this rig's
// state to the test binary.
func (r *rig) link(bin string) {
	r.Helper()
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	real := filepath.Join(bin, "real")
	if err := os.Mkdir(real, 0o755); err != nil {
		r.Fatal(err)
	}
	for _, name := range []string{"vcbMounter", "vcbVmName", "vcbSnapshot"} {
		if err := os.Symlink(self, filepath.Join(real, name)); err != nil {
			r.Fatal(err)
		}
		script := fmt.Sprintf("#!/bin/sh\nGORACE=atexit_sleep_ms=0 %s='%s' exec '%s/%s' \"$@\"\n", standin.StateVariable, r.state.Dir(), real, name)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *vcbRig) configure(settings standin.VCBSettings) {
	r.Helper()
	settings.Folders = []string{filepath.Dir(r.vm.Dir)}
	if err := r.state.ConfigureVCB(settings); err != nil {
		r.Fatal(err)
	}
}

func (r *vcbRig) vcbFaults(faults ...standin.VCBFault) {
	r.Helper()
	if err := r.state.SetVCBFaults(faults...); err != nil {
		r.Fatal(err)
	}
}

// exported returns the disks of the export, as the exported .vmx names them.
func (r *vcbRig) exported(names ...string) ([]string, error) {
	r.Helper()
	catalog, err := vcb.ReadCatalog(r.dir)
	if err != nil {
		r.Fatal(err)
	}
	config, err := dictionary.Load(filepath.Join(r.dir, filepath.Base(r.vm.VMX)))
	if err != nil {
		r.Fatal(err)
	}
	var disks []string
	for i := range names {
		node := fmt.Sprintf("scsi0:%d", i)
		if got := config.Get(node + ".fileName"); got != names[i] {
			r.Errorf("the exported .vmx has %s at %s, want %s", got, node, names[i])
		}
		disk, err := vcb.DiskFile(r.dir, catalog, node, names[i])
		if err != nil {
			return nil, err
		}
		disks = append(disks, disk)
	}
	return disks, nil
}

// leftover tells whether the machine has vcbMounter's snapshot, as the driver
// sees it and as vmrun does.
func (r *vcbRig) leftover() bool {
	r.Helper()
	left, err := r.client.Leftover(r.Context(), r.target)
	if err != nil {
		r.Fatal(err)
	}
	if listed := strings.Contains(r.snapshots(), "\n"+vcb.LeftoverSnapshot+"\n"); listed != left {
		r.Errorf("Leftover says %t, vmrun %t", left, listed)
	}
	return left
}

// until waits for something that is to come true.
func (r *vcbRig) until(what string, done func() bool) {
	r.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestVCBExport(t *testing.T) {
	for _, c := range []struct {
		name, subformat string
		monolithic      bool
		createType      string
	}{
		{"sparse", "monolithicSparse", false, "twoGbMaxExtentSparse"},
		{"of split disks", "twoGbMaxExtentSparse", false, "twoGbMaxExtentSparse"},
		{"monolithic", "monolithicFlat", true, "monolithicFlat"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newVCBRig(t, lab.Spec{Disks: 2, Subformat: c.subformat})
			r.client.Monolithic = c.monolithic
			r.client.Mode = "nbd"
			r.must("start")
			r.goesOn(guest.Slots)
			if err := r.client.Export(t.Context(), r.target, r.dir); err != nil {
				t.Fatal(err)
			}
			if r.leftover() || r.names() != "web.vmdk web_1.vmdk" {
				t.Errorf("the snapshot is left: %s", r.names())
			}
			r.goesOn(3)
			disks, err := r.exported("web.vmdk", "web_1.vmdk")
			if err != nil {
				t.Fatal(err)
			}
			if report := r.verify(disks); report.ID != r.vm.ID || report.Boots != 1 {
				t.Errorf("exported: %+v", report)
			}
			text, err := os.ReadFile(disks[0])
			if err != nil || !strings.Contains(string(text), c.createType) {
				t.Errorf("descriptor %.200q, %v", text, err)
			}
			for _, name := range []string{"catalog", "unmount.dat", "web.nvram", "vmware.log", "scsi0-0-0-web.vmdk"} {
				if _, err := os.Stat(filepath.Join(r.dir, name)); err != nil {
					t.Error(err)
				}
			}
			if err := errors.Join(r.client.Unmount(t.Context(), r.dir), vcb.Remove(r.dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(r.dir); err == nil {
				t.Error("the export is not removed")
			}
			r.noSecretInCalls()
		})
	}
}

// noSecretInCalls fails the test if the log of the calls has a password.
func (r *vcbRig) noSecretInCalls() {
	r.Helper()
	calls, err := r.state.Calls()
	if err != nil {
		r.Fatal(err)
	}
	verbs := map[string]bool{}
	for _, call := range calls {
		verbs[call.Verb] = true
		if strings.Contains(strings.Join(call.Args, " "), "geheim") {
			r.Errorf("%s with a password: %q", call.Verb, call.Args)
		}
	}
	if !verbs["vcbMounter"] || !verbs["vcbVmName"] || !verbs["vcbSnapshot"] {
		r.Errorf("verbs logged: %v", verbs)
	}
}

// The guest may be stopped and started as soon as the snapshot exists.
func TestVCBExportGoesOnBesideTheGuest(t *testing.T) {
	r := newVCBRig(t, lab.Spec{Disks: 2})
	r.configure(standin.VCBSettings{Delay: "1s"})
	exported := make(chan error, 1)
	go func() { exported <- r.client.Export(t.Context(), r.target, r.dir) }()
	r.until("the snapshot", func() bool { return strings.Contains(r.snapshots(), vcb.LeftoverSnapshot) })
	r.must("start")
	r.goesOn(3)
	if err := <-exported; err != nil {
		t.Fatal(err)
	}
	r.goesOn(3)
	disks, err := r.exported("web.vmdk", "web_1.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	if report := r.verify(disks); report.Flag != guest.CleanShutdown {
		t.Errorf("the disks of a machine that was off: %+v", report)
	}
	if r.leftover() {
		t.Error("the snapshot is left")
	}
	r.must("stop")
	r.verify(r.disks())
}

func TestVCBTargets(t *testing.T) {
	r := newVCBRig(t, lab.Spec{})
	facts := func() map[string]string {
		out, err := exec.Command(filepath.Join(r.bin, "vcbVmName"), "-h", "esx1.example:902", "-u", "root", "-p", "geheim", "-s", "Any:*").Output()
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for line := range strings.Lines(string(out)) {
			kind, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			found[kind] = value
		}
		return found
	}
	if off := facts(); off["name"] != "web" || off["uuid"] == "" || off["moref"] == "" || off["ipaddr"] != "" {
		t.Errorf("off: %v", off)
	}
	r.must("start")
	on := facts()
	for _, kind := range []string{vcb.ByName, vcb.ByUUID, vcb.ByMoRef, vcb.ByIPAddr} {
		if left, err := r.client.Leftover(t.Context(), vcb.Target{Kind: kind, Value: on[kind]}); err != nil || left {
			t.Errorf("%s:%s: %t, %v", kind, on[kind], left, err)
		}
	}
	r.must("stop")
	for _, absent := range []vcb.Target{{Kind: vcb.ByName, Value: "Web"}, {Kind: vcb.ByIPAddr, Value: on["ipaddr"]}} {
		err := r.client.Export(t.Context(), absent, r.dir)
		var e *vcb.Error
		if !errors.Is(err, vcb.ErrNotFound) || !errors.As(err, &e) || !strings.Contains(e.Hint(), "case-sensitive") {
			t.Errorf("%s: %v", absent, err)
		}
	}
}

func TestVCBLogin(t *testing.T) {
	r := newVCBRig(t, lab.Spec{})
	hosts := map[string]standin.VCBHost{
		"esx1.example": {User: "root", Password: "geheim"},
		"esx2.example": {User: "root", Password: "other", Configured: true},
	}
	r.configure(standin.VCBSettings{Hosts: hosts})
	for _, c := range []struct {
		name, host, password string
		want                 error
	}{
		{"right", "ESX1.example", "geheim", nil},
		{"wrong", "esx2.example", "geheim", vcb.ErrLogin},
		{"missing", "esx1.example", "", vcb.ErrLogin},
		{"configured", "esx2.example", "", nil},
	} {
		r.client.Host, r.client.Password = c.host, c.password
		if _, err := r.client.Leftover(t.Context(), r.target); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r.client.Host = "esx3.example"
	var e *vcb.Error
	if err := r.client.Export(t.Context(), r.target, r.dir); !errors.As(err, &e) || e.Unwrap() != nil || !strings.Contains(e.Message, "No route to host") {
		t.Errorf("unknown host: %v", err)
	}
}

func TestVCBRefusesAnExistingDirectory(t *testing.T) {
	r := newVCBRig(t, lab.Spec{})
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Export(t.Context(), r.target, r.dir); !errors.Is(err, vcb.ErrExists) {
		t.Errorf("the driver: %v", err)
	}
	calls, err := r.state.Calls()
	if err != nil || len(calls) > 0 {
		t.Errorf("vcbMounter was called: %+v, %v", calls, err)
	}
	out, err := exec.Command(r.client.Program, "-h", "esx1.example", "-u", "root", "-p", "geheim", "-a", "name:web", "-r", r.dir, "-t", "fullvm").Output()
	if err == nil || !strings.Contains(string(out), "already exists") {
		t.Errorf("vcbMounter: %q, %v", out, err)
	}
	if err := r.client.Unmount(t.Context(), r.dir); err == nil || !strings.Contains(err.Error(), "unmount.dat") {
		t.Errorf("unmount of what is no export: %v", err)
	}
}

func TestVCBHostileNames(t *testing.T) {
	for _, name := range []string{`web; rm -rf 'x' $(id)`, "Grüße -r -U", strings.Repeat("w", 200), "caf\xe9"} {
		t.Run(fmt.Sprintf("%.10q", name), func(t *testing.T) {
			r := newVCBRig(t, lab.Spec{Name: name})
			display := `"` + name + `"|`
			config, err := dictionary.Load(r.vm.VMX)
			if err != nil {
				t.Fatal(err)
			}
			config.Set("displayName", display)
			if err := config.Store(r.vm.VMX); err != nil {
				t.Fatal(err)
			}
			r.target.Value = display
			disk := r.names() // the lab writes no name that is not UTF-8
			r.dir = filepath.Join(t.TempDir(), "-r "+name[:min(len(name), 100)])
			if err := r.client.Export(t.Context(), r.target, r.dir); err != nil {
				t.Fatal(err)
			}
			disks, err := r.exported(disk)
			if err != nil {
				t.Fatal(err)
			}
			r.verify(disks)
			if r.leftover() {
				t.Error("the snapshot is left")
			}
			if err := errors.Join(r.client.Unmount(t.Context(), r.dir), vcb.Remove(r.dir)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestVCBInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program, err := standin.InstallVCB(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, verb := range map[string]string{"vcbMounter": "-U", "vcbVmName": "-s", "vcbSnapshot": "-f"} {
		command := exec.Command(filepath.Join(filepath.Dir(program), name), verb, "name:x", "y")
		command.Env = []string{standin.StateVariable + "=" + filepath.Join(dir, "state")}
		if out, err := command.Output(); err == nil || !strings.Contains(string(out), " error] Error: ") {
			t.Errorf("%s %s: %q, %v", name, verb, out, err)
		}
	}
}
