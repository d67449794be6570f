package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"granary/capture/vcb"
	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// exportMethod is a way to bring a VM to rest for vcbMounter's export.
type exportMethod struct {
	name        string
	quiesce     string
	vmrun       bool // whether granary reaches the VM by vmrun, too
	found       string
	consistency string // "" where TestSuspendedForItsExport has it
	guest       string // what the exported disks say that the guest did
}

var exportMethods = []exportMethod{
	{"snapshot without vmrun", "snapshot", false, "running", "crash", "running"},
	{"snapshot", "snapshot", true, "running", "crash", "running"},
	{"stop-snapshot", "stop-snapshot", true, "running", "clean", "clean-shutdown"},
	{"stop", "stop", true, "running", "clean", "clean-shutdown"},
	{"suspend", "suspend", true, "running", "", "suspended"},
	{"none", "none", true, "off", "offline", "clean-shutdown"},
}

// exportMethodNamed is one of exportMethods.
func exportMethodNamed(name string) exportMethod {
	return exportMethods[slices.IndexFunc(exportMethods, func(m exportMethod) bool { return m.name == name })]
}

// exportHost is a world with the ESX host esx1, whose VM web is in the state
// that the method wants to find and has a snapshot of somebody else.
type exportHost struct {
	*world
	exportMethod
	vm *lab.VM
}

const (
	hostUser   = "backup"
	hostSecret = "host secret"
	remoteVMX  = "[ds1] web/web.vmx"
)

func newExportHost(t *testing.T, method exportMethod) *exportHost {
	t.Helper()
	h := &exportHost{world: newWorld(t), exportMethod: method}
	h.vm = h.makeVM(lab.Spec{Disks: 2, Chain: 1})
	host := standin.RemoteHost{User: hostUser, Password: hostSecret, Datastores: map[string]string{"ds1": h.path("vms")}}
	if err := h.vmware.Configure(standin.Settings{Pause: "20ms", Cache: guest.Unsafe, Hosts: map[string]standin.RemoteHost{"esx1": host}}); err != nil {
		t.Fatal(err)
	}
	h.setMounter("")
	if err := os.Mkdir(h.path("exports"), 0o755); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "GRANARY_HOST_PASSWORD="+hostSecret)
	if method.found == "running" {
		h.start(h.vm)
	}
	return h
}

// setMounter sets up vcbMounter, which lets so much time pass between its
// snapshot and the first disk, and its faults.
func (h *exportHost) setMounter(delay string, faults ...standin.VCBFault) {
	h.Helper()
	settings := standin.VCBSettings{Folders: []string{h.path("vms")}, Delay: delay,
		Hosts: map[string]standin.VCBHost{"esx1": {User: hostUser, Password: hostSecret}}}
	if err := h.vmware.ConfigureVCB(settings); err != nil {
		h.Fatal(err)
	}
	if err := h.vmware.SetVCBFaults(faults...); err != nil {
		h.Fatal(err)
	}
}

// arguments are granary's for a capture by the method; more stand behind.
func (h *exportHost) arguments(target string, more ...string) []string {
	args := []string{"capture", "--json", "--driver", "vcb", "--host", "esx1", "--user", hostUser, "--mode", "nbd",
		"--export-dir", h.path("exports"), "--quiesce", h.quiesce, "--settle", "500ms", target}
	if h.vmrun {
		args = append(args, "--vmrun-type", "esx", "--vmx", remoteVMX)
	}
	return append(args, more...)
}

// onHost runs vmrun on the host, as others do.
func (h *exportHost) onHost(verb string, more ...string) string {
	h.Helper()
	return h.tool("vmrun", append([]string{"-T", "esx", "-h", "esx1", "-u", hostUser, "-p", hostSecret, verb, remoteVMX}, more...)...)
}

// asFound fails unless the VM is as it was found, and nothing of the export is
// left: neither its snapshot, nor its folder, nor a journal.
func (h *exportHost) asFound() {
	h.Helper()
	h.asItWas(h.vm, h.found == "running")
	if list := h.onHost("listSnapshots"); strings.Contains(list, vcb.LeftoverSnapshot) || !strings.Contains(list, "level 1") {
		h.Errorf("other snapshots than before:\n%s", list)
	}
	h.empty("exports")
	switch h.found {
	case "suspended":
		if states, err := filepath.Glob(filepath.Join(h.vm.Dir, "*.vmss")); err != nil || len(states) == 0 {
			h.Errorf("the state to resume from is gone: %v", err)
		}
	case "running":
		h.goesOn()
	}
}

// empty fails where something lies in a folder.
func (w *world) empty(dir string) {
	w.Helper()
	if entries, err := os.ReadDir(w.path(dir)); err != nil && !os.IsNotExist(err) || len(entries) > 0 {
		w.Errorf("left in %s: %v, %v", dir, entries, err)
	}
}

// goesOn waits until the guest has written more.
func (h *exportHost) goesOn() {
	h.Helper()
	before, err := h.vmware.GuestStatus(h.vm.VMX)
	if err == nil {
		err = eventually(h.Context(), "the guest writes", func() bool {
			now, err := h.vmware.GuestStatus(h.vm.VMX)
			return err == nil && now.Writes > before.Writes
		})
	}
	if err != nil {
		h.Error(err)
	}
}

// exported checks what a capture that succeeded printed: its generation is as
// consistent as the method promises, and its disks prove it.
func (h *exportHost) exported(out string) captured {
	h.Helper()
	var c captured
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		h.Fatalf("%v:\n%s", err, out)
	}
	if h.consistency != "" && c.Consistency != h.consistency {
		h.Errorf("recorded as %q, want %q", c.Consistency, h.consistency)
	}
	to := h.restored(c)
	proof := h.tool("vmlab", "verify", filepath.Join(to, "scsi0-0-0-web-000001.vmdk"), filepath.Join(to, "scsi0-1-0-web_1-000001.vmdk"))
	if !strings.Contains(proof, h.exportMethod.guest) {
		h.Errorf("the guest was %s, want %s", proof, h.exportMethod.guest)
	}
	return c
}

// restored is the folder to which it restores a generation.
func (h *exportHost) restored(c captured) string {
	h.Helper()
	to := h.path("restored", c.Generation)
	h.must("restore", "-q", "web@"+c.Generation, "--to", to)
	return to
}

// called are the calls so far of vmrun and vcbMounter by their verbs.
func (w *world) called(verb string) []standin.Call {
	w.Helper()
	calls, err := w.vmware.Calls()
	if err != nil {
		w.Fatal(err)
	}
	return slices.DeleteFunc(calls, func(c standin.Call) bool { return c.Verb != verb })
}

// isExport and isUnmount tell what a call of vcbMounter is for.
func isExport(c standin.Call) bool  { return slices.Contains(c.Args, "-r") }
func isUnmount(c standin.Call) bool { return slices.Contains(c.Args, "-U") }

// exportBegins waits until vcbMounter writes, after its snapshot.
func (h *exportHost) exportBegins() error {
	return eventually(h.Context(), "an export", func() bool {
		begun, err := filepath.Glob(h.path("exports", "*", "unmount.dat"))
		return err == nil && len(begun) == 1
	})
}

// With stop-snapshot the guest is started, and writes, while the export of its
// frozen disks goes on: vcbMounter is held up until that is proved.
func TestGuestRunsWhileItIsExported(t *testing.T) {
	t.Parallel()
	h := newExportHost(t, exportMethodNamed("stop-snapshot"))
	h.setMounter("2s")
	var out, said strings.Builder
	cmd := h.command("granary", h.arguments("name:web")...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	if err := h.exportBegins(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	mounter := h.called("vcbMounter")[1]
	if err := syscall.Kill(mounter.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := eventually(t.Context(), "the guest is started", func() bool {
		starts := h.called("start")
		return len(starts) == 2 && starts[1].Exit == 0
	})
	if err != nil {
		t.Error(err)
	}
	h.goesOn()
	if err := syscall.Kill(mounter.PID, syscall.SIGCONT); err != nil {
		t.Fatalf("the export was over: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if started := h.called("start")[1]; !started.End.Before(h.called("vcbMounter")[1].End) {
		t.Error("the guest was started after the export")
	}
	c := h.exported(out.String())
	if c.Downtime == nil || *c.Downtime <= 0 {
		t.Errorf("the downtime is %v", c.Downtime)
	}
	h.asFound()
}

// A VM that was found suspended stays so: nobody starts or stops it.
func TestSuspendedStaysSuspended(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			if method.found == "off" {
				h.start(h.vm)
			}
			h.found = "suspended"
			h.onHost("suspend")
			h.suspendedAsExported(h.must(h.arguments("name:web")...))
			h.asFound()
			if len(h.called("stop"))+len(h.called("start"))+len(h.called("suspend")) != 2 {
				t.Error("it was started or stopped")
			}
		})
	}
}

// So it is with a guest that granary suspends, which goes on afterwards.
func TestSuspendedForItsExport(t *testing.T) {
	t.Parallel()
	h := newExportHost(t, exportMethodNamed("suspend"))
	h.suspendedAsExported(h.must(h.arguments("name:web")...))
	h.asFound()
}

// suspendedAsExported checks what a generation says of a guest that was torn
// from its work: only with the state that it goes on from it is suspended, else
// it begins as after a power cut.
func (h *exportHost) suspendedAsExported(out string) {
	h.Helper()
	var c captured
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		h.Fatalf("%v:\n%s", err, out)
	}
	states, err := filepath.Glob(filepath.Join(h.restored(c), "*.vmss"))
	if err != nil {
		h.Fatal(err)
	}
	want := "crash"
	if len(states) > 0 {
		want = "suspended"
	}
	if c.Consistency != want {
		h.Errorf("recorded as %q with the states %q, want %q", c.Consistency, states, want)
	}
}
