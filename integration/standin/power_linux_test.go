package standin_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

func TestStartAndStop(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	vmx := r.vm.VMX
	r.wants("Total running VMs: 0\n", 0, "-T", "ws", "list")
	r.wants("unknown\n", 254, "checkToolsState", vmx)
	r.wants("Error: The virtual machine is not powered on: "+vmx+"\n", 255, "getGuestIPAddress", vmx)

	r.must("start", "nogui")
	r.goesOn(5)
	if !r.state.Running(vmx) {
		t.Error("not running after start")
	}
	r.wants("Total running VMs: 1\n"+vmx+"\n", 0, "-T", "ws", "list")
	r.wants("running\n", 0, "checkToolsState", vmx)
	if out, code := r.vmrun("getGuestIPAddress", vmx); code != 0 || !strings.HasPrefix(out, "192.168.") {
		t.Errorf("address: %d, %q", code, out)
	}
	for _, lock := range []string{"web.vmx.lck", "web.vmdk.lck", "web_1.vmdk.lck"} {
		if members, err := filepath.Glob(filepath.Join(r.vm.Dir, lock, "M?????.lck")); err != nil || len(members) != 1 {
			t.Errorf("%s: %q, %v", lock, members, err)
		}
	}
	r.wants("Error: The virtual machine should not be powered on. It is already running.\n", 255, "start", vmx)

	r.must("stop", "soft")
	r.wants("Total running VMs: 0\n", 0, "list")
	r.noLocks()
	if report := r.verify(r.disks()); report.Flag != guest.CleanShutdown || report.Boots != 1 {
		t.Errorf("after stop soft: %+v", report)
	}
	r.wants("Error: The virtual machine is not powered on: "+vmx+"\n", 255, "stop", vmx)
}

func TestStopHardAndReset(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	r.must("start")
	r.must("reset", "hard")
	r.goesOn(3)
	if status := r.status(); status.Boots != 2 {
		t.Errorf("after reset: %+v", status)
	}
	r.must("stop", "hard")
	r.noLocks()
	if report := r.verify(r.disks()); report.Flag != guest.Running || report.Boots != 2 {
		t.Errorf("after stop hard: %+v", report)
	}
	r.must("start", "gui")
	r.must("reset", "soft")
	r.must("stop")
	if report := r.verify(r.disks()); report.Flag != guest.CleanShutdown || report.Boots != 4 {
		t.Errorf("at last: %+v", report)
	}
}

func TestSuspendAndResume(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.must("start")
	r.must("suspend", "soft")
	r.wants("Total running VMs: 0\n", 0, "list")
	states, err := filepath.Glob(filepath.Join(r.vm.Dir, "web-*.vmss"))
	if err != nil || len(states) != 1 {
		t.Fatalf("states %q, %v", states, err)
	}
	vmx, err := os.ReadFile(r.vm.VMX)
	if err != nil || !strings.Contains(string(vmx), `checkpoint.vmState = "`+filepath.Base(states[0])+`"`) {
		t.Errorf("the .vmx does not name the state: %v\n%s", err, vmx)
	}
	if report := r.verify(r.disks()); report.Flag != guest.Suspended {
		t.Errorf("suspended: %+v", report)
	}
	r.wants("Error: The virtual machine is not powered on: "+r.vm.VMX+"\n", 255, "stop", r.vm.VMX)

	r.must("start")
	r.goesOn(3)
	if status := r.status(); status.Boots != 1 {
		t.Errorf("a resume counted a boot: %+v", status)
	}
	if r.exists(filepath.Base(states[0])) {
		t.Error("the state is still there")
	}
	if vmx, err := os.ReadFile(r.vm.VMX); err != nil || !strings.Contains(string(vmx), `checkpoint.vmState = ""`) {
		t.Errorf("the .vmx still names the state: %v\n%s", err, vmx)
	}
	// Without its state file a suspended machine does not come up.
	r.must("suspend")
	if err := os.Remove(states[0]); err != nil {
		t.Fatal(err)
	}
	r.wants("Error: The operation was canceled\n", 255, "start", r.vm.VMX)
}

func TestPause(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.must("start")
	r.must("pause")
	before := r.status()
	time.Sleep(30 * time.Millisecond)
	if after := r.status(); after != before || !after.Paused {
		t.Errorf("paused at %+v, then %+v", before, after)
	}
	r.wants("Total running VMs: 1\n"+r.vm.VMX+"\n", 0, "list")
	r.must("snapshot", "while paused")
	if status := r.status(); !status.Paused {
		t.Error("a snapshot ended the pause")
	}
	r.must("unpause")
	r.goesOn(3)
}

// A power cut leaves stale locks and a machine that comes up again.
func TestPowerCut(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 3})
	for round := range uint64(3) {
		r.must("start")
		r.goesOn(3)
		if err := r.state.KillAll(); err != nil {
			t.Fatal(err)
		}
		if r.state.Running(r.vm.VMX) {
			t.Fatal("runs after a power cut")
		}
		if !r.exists("web.vmx.lck") {
			t.Error("no stale lock")
		}
		if report := r.verify(r.disks()); report.Boots != round+1 || report.Flag != guest.Running {
			t.Errorf("cut %d: %+v", round, report)
		}
	}
	r.must("start")
	r.must("stop", "hard")
	r.noLocks()
}

// Whoever waits for the end of vmrun's output must not wait for the guest.
func TestGuestInheritsNothing(t *testing.T) {
	r := newRig(t, lab.Spec{})
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	command := r.command(t.Context(), "start", r.vm.VMX)
	command.ExtraFiles = []*os.File{write}
	command.Stdout, command.Stderr = write, write
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if err := read.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(read); err != nil || len(out) > 0 {
		t.Fatalf("the guest holds the pipe: %q, %v", out, err)
	}
	r.goesOn(1)
}

// A machine whose disks were not taken at one moment does not come up.
func TestTornMachineDoesNotStart(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	disks := r.disks()
	old, err := os.ReadFile(disks[1])
	if err != nil {
		t.Fatal(err)
	}
	r.must("start")
	r.goesOn(5)
	r.must("stop")
	if err := os.WriteFile(disks[1], old, 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("Error: The operation was canceled\n", 255, "start", r.vm.VMX)
	log, err := os.ReadFile(filepath.Join(r.vm.Dir, "vmware.log"))
	if err != nil || !strings.Contains(string(log), "Msg_Post: Error") || !strings.Contains(string(log), guest.ErrTorn.Error()) {
		t.Errorf("vmware.log: %v\n%s", err, log)
	}
}

func TestCommandLine(t *testing.T) {
	r := newRig(t, lab.Spec{})
	vmx := r.vm.VMX
	missing := filepath.Join(r.vm.Dir, "missing.vmx")
	empty := filepath.Join(r.vm.Dir, "empty.vmx")
	if err := os.WriteFile(empty, []byte("nothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("Error: Cannot open VM: "+missing+", The virtual machine cannot be found\n", 255, "start", missing)
	r.wants("Error: Cannot open VM: "+r.vm.Dir+", unknown file suffix\n", 255, "start", r.vm.Dir)
	r.wants("Error: Cannot open VM: "+empty+", Cannot read the virtual machine configuration file\n", 255, "stop", empty)
	r.wants("Unable to connect to host.\nError: The operation is not supported for the specified parameters\n", 255, "-T", "server1.x", "list")
	r.wants("Guest user: \nError: Invalid user name or password for the guest OS\n", 255, "start", vmx, "-T", "ws")
	for _, args := range [][]string{{}, {"frobnicate"}, {"start"}, {"snapshot", vmx}} {
		out, code := r.vmrun(args...)
		if code != 255 || !strings.Contains(out, "vmrun version 1.17.0 build-12990004") {
			t.Errorf("vmrun %q: %d, %q", args, code, out)
		}
	}
	r.wants("Total snapshots: 0\n", 0, "LISTSNAPSHOTS", vmx)
	r.wants("Total running VMs: 0\n", 0, "-T", "esx", "-h", "https://h/sdk", "-P", "443", "-u", "root", "-p", "secret", "-gu", "g", "-gp", "secret", "list")

	calls, err := r.state.Calls()
	if err != nil {
		t.Fatal(err)
	}
	last := calls[len(calls)-1]
	if last.Verb != "list" || last.Exit != 0 || last.End.Before(last.Start) || strings.Contains(strings.Join(last.Args, " "), "secret") {
		t.Errorf("last call %+v", last)
	}
}

func TestDatastoresAndEncryption(t *testing.T) {
	r := newRig(t, lab.Spec{})
	settings := standin.Settings{Datastores: map[string]string{"standard": filepath.Dir(r.vm.Dir)}, VMPassword: "open"}
	if err := r.state.Configure(settings); err != nil {
		t.Fatal(err)
	}
	const path = "[standard] web/web.vmx"
	r.wants("", 0, "-T", "server", "start", path)
	r.wants("Total running VMs: 1\n"+path+"\n", 0, "-T", "server", "list")
	r.wants("Total running VMs: 1\n"+r.vm.VMX+"\n", 0, "-T", "ws", "list")
	r.wants("", 0, "-T", "esx", "stop", path, "hard")
	r.wants("Error: Cannot open VM: [other] web/web.vmx, The virtual machine cannot be found\n", 255, "-T", "esx", "stop", "[other] web/web.vmx")

	vmx, err := os.ReadFile(r.vm.VMX)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.vm.VMX, append(vmx, "encryption.keySafe = \"vmware:key/list\"\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	cannot := "Error: Cannot open VM: " + r.vm.VMX + ", "
	r.wants(cannot+"A password is required for this operation\n", 255, "listSnapshots", r.vm.VMX)
	r.wants(cannot+"Incorrect password\n", 255, "-vp", "guess", "listSnapshots", r.vm.VMX)
	r.wants("Total snapshots: 0\n", 0, "-vp", "open", "listSnapshots", r.vm.VMX)
}

func TestInstall(t *testing.T) {
	program, err := standin.Install(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, lab.Spec{})
	command := r.command(t.Context())
	command.Path, command.Args = program, []string{"vmrun", "start", r.vm.VMX}
	if out, err := command.Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.goesOn(2)
}

// A start that is killed at any moment leaves a machine that runs or does not,
// and nothing that KillAll misses.
func TestKilledStart(t *testing.T) {
	r := newRig(t, lab.Spec{})
	for after := time.Millisecond; after < 150*time.Millisecond; after *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_ = r.command(ctx, "start", r.vm.VMX).Run() // killed, or done
		cancel()
		if err := r.state.KillAll(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if r.state.Running(r.vm.VMX) {
			t.Fatalf("killed after %v, it runs after KillAll", after)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	_ = r.command(ctx, "start", r.vm.VMX).Run() // killed, or done
	cancel()
	if out, code := r.vmrun("start", r.vm.VMX); code != 0 && !strings.Contains(out, "already running") {
		t.Errorf("start after a killed one: %d, %q", code, out)
	}
	r.goesOn(2)
}
