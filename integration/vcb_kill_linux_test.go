package integration

import (
	"bytes"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"granary/integration/standin"
)

// exportStep is a moment of a capture: vmrun or vcbMounter hangs in a verb.
type exportStep struct{ verb, at string }

var killedExports = map[string][]exportStep{
	"stop-snapshot": {
		{"stop", standin.Before}, {"stop", standin.Midway}, {"stop", standin.After},
		{"export", standin.Before}, {"export", standin.Midway}, {"export", standin.After},
		{"start", standin.Before}, {"start", standin.Midway}, {"start", standin.After},
		{"unmount", standin.Before}, {"unmount", standin.After},
	},
	"stop": {{"stop", standin.Midway}, {"export", standin.Midway}, {"start", standin.Midway}, {"unmount", standin.Before}},
	"suspend": {
		{"suspend", standin.Before}, {"suspend", standin.Midway}, {"suspend", standin.After},
		{"export", standin.Midway}, {"start", standin.Midway},
	},
	"snapshot":               {{"export", standin.Midway}, {"unmount", standin.After}},
	"snapshot without vmrun": {{"export", standin.Before}, {"export", standin.Midway}, {"export", standin.After}, {"unmount", standin.Before}},
	"none":                   {{"export", standin.Midway}, {"export", standin.After}},
}

// After kill -9 of granary before, in the middle of and after each step, recover
// makes the VM as it was found and takes away what the export left, and the next
// capture succeeds.
func TestExportKilled(t *testing.T) {
	t.Parallel()
	for method, steps := range killedExports {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, exportMethodNamed(method))
			for _, step := range steps {
				t.Run(step.at+" "+step.verb, func(t *testing.T) {
					h := h.on(t)
					h.killedIn(step)
					h.must("recover")
					h.asFound()
					h.exported(h.must(h.arguments("name:web")...))
					h.asFound()
				})
			}
			h.must("check", "--read-data")
		})
	}
}

// ofVMRun tells whether the verb is vmrun's.
func (s exportStep) ofVMRun() bool { return s.verb != "export" && s.verb != "unmount" }

// killedIn runs a capture, and kills it once it hangs in the step. vmrun and an
// unmount are killed, too: they would be waited for. vcbMounter goes on, for
// recover to end.
func (h *exportHost) killedIn(step exportStep) {
	h.Helper()
	fault := standin.Fault{Verb: step.verb, Do: standin.Hang, At: step.at}
	h.setFaults(step, fault)
	logged := step.verb
	if !step.ofVMRun() {
		logged = "vcbMounter"
	}
	before := len(h.called(logged))
	cmd := h.command("granary", h.arguments("name:web")...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	var hanging standin.Call
	err := eventually(h.Context(), step.at+" "+step.verb, func() bool {
		for _, c := range h.called(logged)[before:] {
			if c.End.IsZero() && (step.verb != "unmount" || isUnmount(c)) && (step.verb != "export" || isExport(c)) {
				hanging = c
			}
		}
		return hanging.PID != 0
	})
	// Whatever it does before it hangs is done by then, or is cut off, too.
	time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		h.Fatalf("%v\n%s", err, said.String())
	}
	if step.verb != "export" {
		if err := syscall.Kill(hanging.PID, syscall.SIGKILL); err != nil {
			h.Logf("kill %s: %v", step.verb, err)
		}
	}
	h.setFaults(step)
}

// setFaults sets those of the program whose step it is.
func (h *exportHost) setFaults(step exportStep, faults ...standin.Fault) {
	h.Helper()
	if step.ofVMRun() {
		if err := h.vmware.SetFaults(faults...); err != nil {
			h.Fatal(err)
		}
		return
	}
	var ofMounter []standin.VCBFault
	for _, f := range faults {
		ofMounter = append(ofMounter, standin.VCBFault{Fault: f})
	}
	h.setMounter("", ofMounter...)
}

// Killed at any moment, with vmrun and vcbMounter going on by themselves,
// recover makes the VM as it was found, and the next capture succeeds.
func TestExportKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	for method, kills := range map[string]int{"stop-snapshot": 6, "stop": 2, "suspend": 2, "snapshot without vmrun": 2} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, exportMethodNamed(method))
			began := time.Now()
			h.must(h.arguments("name:web")...)
			whole := time.Since(began)
			seed := rand.Uint64()
			random := rand.New(rand.NewPCG(seed, 1))
			for i := range kills {
				after := time.Duration(random.Int64N(int64(whole)))
				t.Logf("seed %d, kill %d after %v of %v", seed, i, after, whole)
				cmd := h.command("granary", h.arguments("name:web")...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				h.must("recover")
				h.asFound()
				h.exported(h.must(h.arguments("name:web")...))
				h.asFound()
				if t.Failed() {
					t.Fatalf("kill %d", i)
				}
			}
			h.must("check", "--read-data")
		})
	}
}
