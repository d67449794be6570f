package integration

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"granary/integration/lab"
	"granary/integration/standin"
)

// meanwhile captures a VM, does something while granary waits for its first call
// of a verb, lets that call fail, and returns what granary said and its status.
func (w *world) meanwhile(vm *lab.VM, verb string, do func()) outcome {
	w.Helper()
	if err := w.vmware.SetFaults(standin.Fault{Verb: verb, Call: 1, Do: standin.Hang}); err != nil {
		w.Fatal(err)
	}
	before, err := w.vmware.Calls()
	if err != nil {
		w.Fatal(err)
	}
	cmd := w.command("granary", "capture", "-q", vm.VMX)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	hanging := 0
	err = eventually(w.Context(), "vmrun "+verb, func() bool {
		calls, err := w.vmware.Calls()
		for _, c := range calls[min(len(before), len(calls)):] {
			if c.Verb == verb && c.End.IsZero() {
				hanging = c.PID
			}
		}
		return err == nil && hanging != 0
	})
	if err == nil {
		do()
		err = syscall.Kill(hanging, syscall.SIGKILL)
	}
	if err != nil {
		w.Error(err)
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait() // its status tells
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// notCaptured fails unless a capture failed with these words, and nothing of it
// is left.
func (w *world) notCaptured(o outcome, words string) {
	w.Helper()
	if o.status != 1 || !strings.Contains(o.stderr, words) {
		w.Errorf("exit status %d, want 1 and %q:\n%s", o.status, words, o.stderr)
	}
	if list := w.must("list", "--json"); strings.TrimSpace(list) != "[]" {
		w.Errorf("there is a generation: %s", list)
	}
}

// Somebody merges granary's snapshot before its disks are read: what they hold
// then is no longer what was frozen.
func TestSnapshotMergedByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vm := w.makeVM(lab.Spec{Subformat: "monolithicSparse", Disks: 2, Chain: 1})
	w.start(vm)
	o := w.meanwhile(vm, "start", func() {
		for line := range strings.Lines(w.tool("vmrun", "listSnapshots", vm.VMX)) {
			if name := strings.TrimSpace(line); strings.HasPrefix(name, "granary-") {
				w.tool("vmrun", "deleteSnapshot", vm.VMX, name)
			}
		}
	})
	w.notCaptured(o, "is not among the VM's snapshots")
	w.asItWas(vm, true)
}

// Somebody takes a snapshot of a VM that is off after granary has looked which
// disks it has.
func TestSnapshotTakenByAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vm := w.makeVM(lab.Spec{Subformat: "monolithicSparse"})
	o := w.meanwhile(vm, "version", func() { w.tool("vmrun", "snapshot", vm.VMX, "theirs") })
	w.notCaptured(o, "web-000001.vmdk was added to the VM or removed")
	w.asItWas(vm, false)
	if c := w.capture(vm.VMX); c.Consistency != "offline" {
		t.Errorf("then captured as %+v", c)
	}
	w.must("restore", "web", "--to", w.path("restored"))
	w.onePointInTime(w.path("restored", "web.vmx"))
}
