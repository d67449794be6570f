package standin_test

import (
	"context"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"granary/integration/lab"
	"granary/integration/standin"
)

func zero() *int { return new(int) }

// begin starts a call that is expected to hang, and waits until it has begun.
func (r *rig) begin(args ...string) *exec.Cmd {
	r.Helper()
	command := r.command(context.WithoutCancel(r.Context()), args...)
	before, err := r.state.Calls()
	if err != nil {
		r.Fatal(err)
	}
	if err := command.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = command.Process.Kill() }) // ended already in most tests
	for {
		calls, err := r.state.Calls()
		if err != nil {
			r.Fatal(err)
		}
		if len(calls) > len(before) {
			return command
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFaultsOfTheOutput(t *testing.T) {
	r := newRig(t, lab.Spec{})
	vmx := r.vm.VMX
	r.must("start")
	r.faults(
		standin.Fault{Verb: "list", Call: 1, CRLF: true, Case: "upper", Trailing: true},
		standin.Fault{Verb: "list", Call: 3, Noise: "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119"},
		standin.Fault{Verb: "snapshot", VMX: "other machine", Do: standin.Fail, Text: "Error: not for this one"},
		standin.Fault{Verb: "snapshot", Do: standin.Fail, Text: "Error: Unknown error: {vmx}", Exit: zero()},
		standin.Fault{Verb: "stop", Call: 1, Do: standin.Fail, Text: "Fehler: Die virtuelle Maschine läuft nicht", Latin1: true},
		standin.Fault{Verb: "checkToolsState", Do: standin.Fail, Text: "installed", Exit: zero()},
	)
	r.wants("Total running VMs: 1 \r\n"+strings.ToUpper(vmx)+" \r\n", 0, "list")
	r.wants("Total running VMs: 1\n"+vmx+"\n", 0, "list")
	r.wants("2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119\nTotal running VMs: 1\n"+vmx+"\n", 0, "list")
	r.wants("Error: Unknown error: "+vmx+"\n", 0, "snapshot", vmx, "s")
	r.wants("Total snapshots: 0\n", 0, "listSnapshots", vmx)
	r.wants("Fehler: Die virtuelle Maschine l\xe4uft nicht\n", 255, "stop", vmx)
	r.wants("installed\n", 0, "checkToolsState", vmx)
	r.must("stop")
	r.faults(standin.Fault{Verb: "*", NoPath: true})
	r.wants("Error: The virtual machine is not powered on\n", 255, "stop", vmx)
}

func TestLanguageAndEncoding(t *testing.T) {
	r := newRig(t, lab.Spec{Name: "Ärger"})
	vmx := r.vm.VMX
	r.must("start")
	utf16le := func(text string) string {
		bytes := []byte{0xff, 0xfe}
		for _, unit := range utf16.Encode([]rune(text)) {
			bytes = binary.LittleEndian.AppendUint16(bytes, unit)
		}
		return string(bytes)
	}
	for _, c := range []struct {
		fault standin.Fault
		text  string
		code  int
		args  []string
	}{
		{standin.Fault{Locale: "de"}, "Aktive VMs insgesamt: 1\n" + vmx + "\n", 0, []string{"list"}},
		{standin.Fault{Locale: "de"}, "Snapshots insgesamt: 0\n", 0, []string{"listSnapshots", vmx}},
		{standin.Fault{Locale: "de"}, "Fehler: Der Snapshot ist nicht vorhanden\n", 255, []string{"deleteSnapshot", vmx, "s"}},
		{standin.Fault{Locale: "de", Latin1: true}, "Fehler: Die virtuelle Maschine darf nicht eingeschaltet sein. Sie l\xe4uft bereits.\n", 255, []string{"start", vmx}},
		{standin.Fault{UTF16: true, CRLF: true}, utf16le("Total running VMs: 1\r\n" + vmx + "\r\n"), 0, []string{"list"}},
		{standin.Fault{Noise: "before", NoiseAfter: "after"}, "before\nTotal snapshots: 0\nafter\n", 0, []string{"listSnapshots", vmx}},
	} {
		r.faults(c.fault)
		r.wants(c.text, c.code, c.args...)
	}
}

// The bare call goes by the name of version.
func TestFaultOfTheVersion(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.faults(standin.Fault{Verb: "version", Call: 1, Do: standin.Fail, Text: "no banner", Exit: zero()}, standin.Fault{Verb: "version", Do: standin.Die})
	r.wants("no banner\n", 0)
	r.wants("Total running VMs: 0\n", 0, "list")
	r.wants("", -1)
	calls, err := r.state.Calls()
	if err != nil || calls[0].Verb != "version" || calls[1].Verb != "list" {
		t.Errorf("logged as %+v, %v", calls, err)
	}
}

// Calls that take some time of a range overlap.
func TestDelayRange(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.faults(standin.Fault{DelayBefore: "2s..1s"})
	r.wants("Error: The operation was canceled\n", 255, "list")
	r.faults(standin.Fault{DelayBefore: "30ms..60ms", DelayAfter: "0s..1ms"})
	begun := time.Now()
	r.wants("Total running VMs: 0\n", 0, "list")
	if took := time.Since(begun); took < 30*time.Millisecond {
		t.Errorf("list took %v", took)
	}
}

// The work is done, but the caller does not learn it.
func TestFailureAfterTheWork(t *testing.T) {
	r := newRig(t, lab.Spec{})
	vmx := r.vm.VMX
	r.faults(
		standin.Fault{Verb: "start", Do: standin.Fail, At: standin.After, Text: "Error: The operation was canceled"},
		standin.Fault{Verb: "snapshot", Call: 1, Do: standin.Fail, At: standin.After, Text: "Error: Unknown error"},
		standin.Fault{Verb: "snapshot", Call: 2, Do: standin.Die, At: standin.After},
		standin.Fault{Verb: "stop", Do: standin.Die, At: standin.After},
	)
	r.wants("Error: The operation was canceled\n", 255, "start", vmx)
	r.goesOn(1)
	r.wants("Error: Unknown error\n", 255, "snapshot", vmx, "half-done")
	r.wants("", -1, "snapshot", vmx, "unreported")
	r.wants("Total snapshots: 2\nhalf-done\nunreported\n", 0, "listSnapshots", vmx)
	r.wants("", -1, "stop", vmx)
	if r.state.Running(vmx) {
		t.Error("runs after stop")
	}
	calls, err := r.state.Calls()
	if err != nil || calls[len(calls)-1].Exit != -1 || !calls[len(calls)-1].End.IsZero() {
		t.Errorf("the killed call: %+v, %v", calls, err)
	}
}

func TestFailureHalfWay(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	vmx := r.vm.VMX
	r.must("start")
	fail := standin.Fault{Call: 1, Do: standin.Fail, At: standin.Midway, Text: "Error: There is not enough space in the file system for the selected operation"}
	fail.Verb = "snapshot"
	r.faults(fail)
	r.wants(fail.Text+"\n", 255, "snapshot", vmx, "s")
	if r.names() != "web.vmdk web_1.vmdk" || !r.exists("web-000001.vmdk") {
		t.Errorf("half a snapshot: %s", r.names())
	}
	r.goesOn(3)
	r.must("snapshot", "s")
	if r.names() != "web-000002.vmdk web_1-000002.vmdk" {
		t.Errorf("the redo disks are %s", r.names())
	}
	fail.Verb = "deleteSnapshot"
	r.faults(fail)
	r.goesOn(3)
	r.wants(fail.Text+"\n", 255, "deleteSnapshot", vmx, "s")
	r.wants("Total snapshots: 1\ns\n", 0, "listSnapshots", vmx)
	r.goesOn(3)
	r.must("deleteSnapshot", "s")
	r.goesOn(3)
	r.must("stop")
	r.verify(r.disks())
}

// Killed in the middle, with the guest frozen: it goes on, nothing is lost.
func TestKilledHalfWay(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	vmx := r.vm.VMX
	r.faults(
		standin.Fault{Verb: "snapshot", Call: 1, Do: standin.Die, At: standin.Midway},
		standin.Fault{Verb: "deleteSnapshot", Call: 1, Do: standin.Die, At: standin.Midway},
	)
	r.must("start")
	r.wants("", -1, "snapshot", vmx, "s")
	r.goesOn(3)
	r.wants("Total snapshots: 0\n", 0, "listSnapshots", vmx)
	r.must("snapshot", "s")
	r.goesOn(3)
	r.wants("", -1, "deleteSnapshot", vmx, "s")
	r.must("stop", "soft") // at once: it may meet the guest still frozen
	r.verify(r.disks())
	r.wants("Total snapshots: 1\ns\n", 0, "listSnapshots", vmx)
	r.must("deleteSnapshot", "s")
	if r.names() != "web.vmdk web_1.vmdk" {
		t.Errorf("disks %s", r.names())
	}
	r.must("start")
	r.goesOn(3)
}

// A power cut of host and call at once, while disks are merged.
func TestPowerCutHalfWay(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2, Subformat: "twoGbMaxExtentSparse"})
	r.must("start")
	r.must("snapshot", "s")
	r.goesOn(3)
	r.faults(standin.Fault{Verb: "deleteSnapshot", Do: standin.Hang, At: standin.Midway})
	merging := r.begin("deleteSnapshot", r.vm.VMX, "s")
	for !r.status().Frozen {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	if err := r.state.KillAll(); err != nil {
		t.Fatal(err)
	}
	kill(t, merging)
	r.faults()
	r.must("start")
	r.goesOn(3)
	r.must("deleteSnapshot", "s")
	r.must("stop")
	r.verify(r.disks())
}

func TestHang(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.faults(
		standin.Fault{Verb: "start", Call: 1, Do: standin.Hang},
		standin.Fault{Verb: "start", Call: 2, Do: standin.Hang, At: standin.After, IgnoreTerm: true},
		standin.Fault{Verb: "snapshot", Do: standin.Hang, At: standin.Midway},
	)
	start := r.begin("start", r.vm.VMX)
	time.Sleep(50 * time.Millisecond)
	if r.state.Running(r.vm.VMX) {
		t.Error("the work was done")
	}
	if err := start.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = start.Wait() // ended by the signal

	start = r.begin("start", r.vm.VMX)
	r.goesOn(1)
	if err := start.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := start.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("SIGTERM ended it: %v", err)
	}
	kill(t, start)

	// While a snapshot hangs half-way, the guest is frozen.
	snapshot := r.begin("snapshot", r.vm.VMX, "s")
	for !r.status().Frozen {
		time.Sleep(time.Millisecond)
	}
	kill(t, snapshot)
	r.goesOn(3)
}

func TestPrompt(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.faults(standin.Fault{Verb: "*", Do: standin.Prompt})
	r.wants("Password: \nError: Cannot open VM: "+r.vm.VMX+", A password is required for this operation\n", 255, "start", r.vm.VMX)
	command := r.command(t.Context(), "start", r.vm.VMX)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "secret\n"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if err := command.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the prompt took an answer: %v", err)
	}
	kill(t, command)
}

func TestBusy(t *testing.T) {
	r := newRig(t, lab.Spec{})
	vmx := r.vm.VMX
	r.must("start")
	r.faults(
		standin.Fault{Verb: "snapshot", Call: 1, Do: standin.Hang, At: standin.Midway},
		standin.Fault{Verb: "snapshot", Call: 2, BusyFails: true},
		standin.Fault{Verb: "list", DelayBefore: "20ms", DelayAfter: "20ms"},
	)
	hanging := r.begin("snapshot", vmx, "first")
	for !r.status().Frozen {
		time.Sleep(time.Millisecond)
	}
	r.wants("Error: The file is already in use\n", 255, "snapshot", vmx, "second")
	begun := time.Now()
	r.wants("Total running VMs: 1\n"+vmx+"\n", 0, "list")
	if took := time.Since(begun); took < 40*time.Millisecond {
		t.Errorf("list took %v", took)
	}
	waiting := r.begin("snapshot", vmx, "third")
	time.Sleep(50 * time.Millisecond)
	kill(t, hanging)
	if err := waiting.Wait(); err != nil {
		calls, callsErr := r.state.Calls()
		t.Fatalf("%v; %+v, %v", err, calls[len(calls)-1], callsErr)
	}
	r.wants("Total snapshots: 1\nthird\n", 0, "listSnapshots", vmx)
	r.goesOn(1)
}

// A fault list written by hand is as good as one that is set.
func TestFaultFile(t *testing.T) {
	r := newRig(t, lab.Spec{})
	text := `[{"verb": "list", "call": 2, "do": "fail", "text": "Error: x", "exit": 3}]`
	if err := os.WriteFile(filepath.Join(r.state.Dir(), "faults"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("Total running VMs: 0\n", 0, "list")
	r.wants("Error: x\n", 3, "list")
	r.wants("Total running VMs: 0\n", 0, "list")
}

// Many callers at once, some killed at any moment: the machine survives them.
func TestCallersAtOnce(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	r.must("start")
	end := time.Now().Add(2500 * time.Millisecond)
	var callers sync.WaitGroup
	for caller := range 3 {
		callers.Go(func() {
			name := string(rune('a' + caller))
			for round := 0; time.Now().Before(end); round++ {
				for _, args := range [][]string{{"snapshot", r.vm.VMX, name}, {"deleteSnapshot", r.vm.VMX, name, "andDeleteChildren"}, {"start", r.vm.VMX}, {"stop", r.vm.VMX, "hard"}} {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(40+30*(round%7))*time.Millisecond)
					_ = r.command(ctx, args...).Run() // refused, killed or done: all may be
					cancel()
				}
			}
		})
	}
	callers.Wait()
	_, _ = r.vmrun("stop", r.vm.VMX, "hard") // refused if it is off, or going off
	if r.state.Running(r.vm.VMX) {
		t.Fatal("it does not end")
	}
	report := r.verify(r.disks())
	r.must("start")
	r.goesOn(5)
	r.must("stop")
	if after := r.verify(r.disks()); after.Seq < report.Seq {
		t.Errorf("stamps went back from %d to %d", report.Seq, after.Seq)
	}
}
