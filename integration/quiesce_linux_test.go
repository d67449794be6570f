package integration

import (
	"os"
	"strings"
	"testing"

	"granary/integration/lab"
)

// The guest's stamps prove one point in time for all disks, by each method.
func TestOnePointInTime(t *testing.T) {
	for method, want := range map[string]struct{ consistency, flag string }{
		"stop-snapshot": {"clean", "clean-shutdown"},
		"stop":          {"clean", "clean-shutdown"},
		"suspend":       {"suspended", "suspended"},
		"snapshot":      {"crash", "running"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{Subformat: "monolithicSparse", Disks: 3})
			w.start(vm)
			for range 3 {
				c := w.capture("--quiesce", method, vm.VMX)
				if c.Consistency != want.consistency {
					t.Errorf("consistency is %q, want %q", c.Consistency, want.consistency)
				}
				if c.Downtime == nil || (*c.Downtime > 0) != (method != "snapshot") {
					t.Errorf("downtime is %v", c.Downtime)
				}
				to := w.path("restored", c.Generation)
				w.must("restore", "web@"+c.Generation, "--to", to)
				if proof := w.onePointInTime(to + "/web.vmx"); !strings.Contains(proof, want.flag) {
					t.Errorf("the guest was %s, want %s", proof, want.flag)
				}
			}
			w.asItWas(vm, true)
		})
	}
}

// asItWas fails unless the VM runs, or not, as before, and none of our
// snapshots is left.
func (w *world) asItWas(vm *lab.VM, running bool) {
	w.Helper()
	if got := w.vmware.Running(vm.VMX); got != running {
		w.Errorf("running: %t, was %t", got, running)
	}
	if list := w.tool("vmrun", "listSnapshots", vm.VMX); strings.Contains(list, "granary-") {
		w.Errorf("a snapshot of ours is left:\n%s", list)
	}
	journals, err := os.ReadDir(w.path("state", "journals"))
	if err != nil && !os.IsNotExist(err) {
		w.Fatal(err)
	}
	for _, j := range journals {
		if strings.HasSuffix(j.Name(), ".journal") {
			w.Errorf("the journal %s is left", j.Name())
		}
	}
}

// Without quiescing, the same proof finds the copy torn: so it can fail.
func TestCopyWithoutQuiescingIsTorn(t *testing.T) {
	w := newWorld(t)
	vm := w.makeVM(lab.Spec{Subformat: "monolithicFlat", Disks: 2})
	w.start(vm)
	for range 20 {
		to := w.path("copied")
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		w.tool("cp", "-r", "--sparse=always", vm.Dir, to)
		if o := w.run("vmlab", "verify", to+"/web.vmx"); o.status != 0 {
			t.Logf("as it should: %s", o.stderr)
			return
		}
	}
	t.Error("20 copies of a running VM all showed one point in time: the proof proves nothing")
}

// A VM that was off stays off, and is captured as it lies.
func TestOffStaysOff(t *testing.T) {
	w := newWorld(t)
	vm := w.makeVM(lab.Spec{})
	if c := w.capture(vm.VMX); c.Consistency != "offline" || c.Downtime == nil || *c.Downtime != 0 {
		t.Errorf("captured as %+v", c)
	}
	w.asItWas(vm, false)
	calls, err := w.vmware.Calls()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if c.Verb != "list" && c.Verb != "listSnapshots" && c.Verb != "version" {
			t.Errorf("granary called vmrun %s on a VM that is off", c.Verb)
		}
	}
}
