package standin_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// TestMain lets the test binary be the program, too.
func TestMain(m *testing.M) {
	if standin.Called() {
		os.Exit(standin.Main(os.Args[1:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// rig is a state with one machine.
type rig struct {
	*testing.T
	state *standin.State
	vm    *lab.VM
}

func newRig(t *testing.T, spec lab.Spec) *rig {
	t.Helper()
	t.Parallel() // each has a state of its own, and most of a test is waiting
	dir := t.TempDir()
	if spec.Name == "" {
		spec.Name = "web"
	}
	if spec.DiskSize == 0 {
		spec.DiskSize = 48 << 20
	}
	spec.Dir = filepath.Join(dir, "vms", spec.Name)
	state, err := standin.New(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.KillAll(); err != nil {
			t.Error(err)
		}
	})
	if err := state.Configure(standin.Settings{Pause: "1ms", Cache: guest.Unsafe}); err != nil {
		t.Fatal(err)
	}
	vm, err := lab.MakeVM(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, state, vm}
}

// command returns a run of vmrun, not yet started.
func (r *rig) command(ctx context.Context, args ...string) *exec.Cmd {
	r.Helper()
	program, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	command := exec.CommandContext(ctx, program)
	command.Args = append([]string{"vmrun"}, args...)
	// A race-enabled binary sleeps a second at its exit unless told not to.
	command.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", standin.StateVariable+"="+r.state.Dir())
	return command
}

// vmrun runs the program and returns what it printed and its exit code; -1 when
// it was killed.
func (r *rig) vmrun(args ...string) (string, int) {
	r.Helper()
	var out bytes.Buffer
	command := r.command(r.Context(), args...)
	command.Stdout = &out
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// must runs a command on the machine that is to succeed in silence.
func (r *rig) must(verb string, args ...string) {
	r.Helper()
	if out, code := r.vmrun(append([]string{"-T", "ws", verb, r.vm.VMX}, args...)...); code != 0 || out != "" {
		calls, err := r.state.Calls()
		r.Fatalf("%s %q: exit %d, %q; %+v, %v", verb, args, code, out, calls[len(calls)-1], err)
	}
}

// wants runs vmrun and compares what it prints and its exit code.
func (r *rig) wants(text string, code int, args ...string) {
	r.Helper()
	if out, got := r.vmrun(args...); out != text || got != code {
		r.Errorf("vmrun %q:\n exit %d, %q\nwant %d, %q", args, got, out, code, text)
	}
}

func (r *rig) faults(faults ...standin.Fault) {
	r.Helper()
	if err := r.state.SetFaults(faults...); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) disks() []string {
	r.Helper()
	disks, err := r.vm.Disks()
	if err != nil {
		r.Fatal(err)
	}
	return disks
}

func (r *rig) verify(disks []string) guest.Report {
	r.Helper()
	report, err := guest.Verify(r.Context(), disks)
	if err != nil {
		r.Fatal(err)
	}
	return report
}

func (r *rig) status() guest.Status {
	r.Helper()
	status, err := r.state.GuestStatus(r.vm.VMX)
	if err != nil {
		r.Fatal(err)
	}
	return status
}

// goesOn waits until the guest has begun another so many rounds.
func (r *rig) goesOn(rounds uint64) {
	r.Helper()
	var first uint64
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		status, err := r.state.GuestStatus(r.vm.VMX)
		if err == nil && first == 0 {
			first = status.Seq
		}
		if err == nil && status.Seq >= first+rounds {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("the guest does not go on: %+v, %v", status, err)
		}
	}
}

func (r *rig) exists(name string) bool {
	r.Helper()
	_, err := os.Stat(filepath.Join(r.vm.Dir, name))
	return err == nil
}

// names returns the base names of the current disks.
func (r *rig) names() string {
	var names []string
	for _, disk := range r.disks() {
		names = append(names, filepath.Base(disk))
	}
	return strings.Join(names, " ")
}

// snapshots returns the list with its indentation.
func (r *rig) snapshots() string {
	r.Helper()
	out, code := r.vmrun("listSnapshots", r.vm.VMX, "showTree")
	if code != 0 {
		r.Fatalf("listSnapshots: exit %d, %q", code, out)
	}
	return out
}

// kill ends the process as a power cut would and waits for it.
func kill(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // killed is an error
}

// noLocks fails the test if lock directories lie beside the machine's files.
func (r *rig) noLocks() {
	r.Helper()
	locks, err := filepath.Glob(filepath.Join(r.vm.Dir, "*.lck"))
	if err != nil || len(locks) > 0 {
		r.Errorf("locks left: %q, %v", locks, err)
	}
}
