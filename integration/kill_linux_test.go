package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"granary/integration/lab"
	"granary/integration/standin"
)

// verbs of vmrun that each method calls, up to its end.
var methodVerbs = map[string][]string{
	"stop-snapshot": {"stop", "snapshot", "start", "deleteSnapshot"},
	"snapshot":      {"snapshot", "deleteSnapshot"},
	"stop":          {"stop", "start"},
	"suspend":       {"suspend", "start"},
}

// After kill -9 of granary and of its vmrun, before, in the middle of and after
// each step of each method, the VM runs again, only foreign snapshots are left,
// and the next capture succeeds.
func TestKilledAtEachStep(t *testing.T) {
	for method, verbs := range methodVerbs {
		for _, verb := range verbs {
			for _, at := range []string{standin.Before, standin.Midway, standin.After} {
				t.Run(method+"/"+at+"-"+verb, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					vm := w.makeVM(lab.Spec{Subformat: "monolithicSparse", Disks: 2, Chain: 1})
					w.start(vm)
					if err := w.vmware.SetFaults(standin.Fault{Verb: verb, Do: standin.Hang, At: at}); err != nil {
						t.Fatal(err)
					}
					w.killInVerb(method, verb, vm)
					if err := w.vmware.SetFaults(); err != nil {
						t.Fatal(err)
					}
					w.must("recover")
					w.asItWas(vm, true)
					if list := w.tool("vmrun", "listSnapshots", vm.VMX); !strings.Contains(list, "level 1") {
						t.Errorf("the foreign snapshot is gone:\n%s", list)
					}
					c := w.capture("--quiesce", method, vm.VMX)
					w.must("restore", "web@"+c.Generation, "--to", w.path("restored"))
					w.onePointInTime(w.path("restored", "web.vmx"))
					w.must("check", "--read-data")
				})
			}
		}
	}
}

// killInVerb runs a capture, and kills it and vmrun once vmrun hangs in verb.
func (w *world) killInVerb(method, verb string, vm *lab.VM) {
	w.Helper()
	cmd := w.command("granary", "capture", "--quiesce", method, "--settle", "2s", vm.VMX)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	var hanging standin.Call
	err := eventually(w.Context(), "vmrun "+verb, func() bool {
		calls, err := w.vmware.Calls()
		for _, c := range calls {
			if c.Verb == verb && c.VMX == vm.VMX && c.End.IsZero() && c.Start.After(time.Now().Add(-time.Minute)) {
				hanging = c
			}
		}
		return err == nil && hanging.PID != 0
	})
	// Whatever it does before it hangs is done by then, or is cut off too.
	time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		w.Fatalf("%v\n%s", err, said.String())
	}
	if err := syscall.Kill(hanging.PID, syscall.SIGKILL); err != nil {
		w.Logf("kill vmrun: %v", err)
	}
}

// Killed at any moment, with vmrun going on by itself, the next capture puts
// the VM right without being told to.
func TestKilledAtAnyMoment(t *testing.T) {
	for method := range methodVerbs {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{Subformat: "monolithicSparse", Disks: 2})
			w.start(vm)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range 6 {
				cmd := w.command("granary", "capture", "--quiesce", method, "--settle", "3s", vm.VMX)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				after := time.Duration(random.IntN(900)) * time.Millisecond
				time.Sleep(after)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				what := fmt.Sprintf("seed %d, kill %d after %v", seed, i, after)
				o := w.granary("capture", "--quiesce", method, vm.VMX)
				if o.status != 0 {
					t.Fatalf("%s: the next capture failed with %d\n%s", what, o.status, o.stderr)
				}
				w.asItWas(vm, true)
				if t.Failed() {
					t.Fatal(what)
				}
			}
			w.must("check", "--read-data")
		})
	}
}

// Ctrl-C while the disks are read: nothing is committed, and the VM is as it
// was when granary returns.
func TestInterrupted(t *testing.T) {
	for method := range methodVerbs {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{Subformat: "monolithicFlat", Disks: 2})
			w.start(vm)
			cmd := w.command("granary", "capture", "--quiesce", method, vm.VMX)
			var said bytes.Buffer
			cmd.Stderr = &said
			verb := methodVerbs[method][0]
			if err := w.vmware.SetFaults(standin.Fault{Verb: verb, DelayAfter: "500ms"}); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if err := eventually(t.Context(), "vmrun "+verb, func() bool {
				calls, _ := w.vmware.Calls()
				return len(calls) > 0 && calls[len(calls)-1].Verb == verb
			}); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); status != 1 {
				t.Errorf("exit status %d\n%s", status, said.String())
			}
			w.asItWas(vm, true)
			if list := w.must("list", "--json"); strings.TrimSpace(list) != "[]" {
				t.Errorf("an interrupted capture left the generation %s", list)
			}
			w.capture("--quiesce", method, vm.VMX)
		})
	}
}
