package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// sampled of the cases is one that is looked at more closely: its generation is
// restored and verified, and another capture succeeds.
const sampled = 9

// guestPassword must be seen nowhere.
const guestPassword = "guest secret"

// foreign is a snapshot that is not granary's.
const foreign = "level 1"

// tableBench is where the cases of a group are tried, one after the other.
type tableBench struct {
	*world
	tableGroup
	vm *lab.VM
}

func newTableBench(t *testing.T, g tableGroup) *tableBench {
	t.Helper()
	w := newWorld(t)
	if g.pause == "" {
		g.pause = "100ms"
	}
	err := w.vmware.Configure(standin.Settings{Pause: g.pause, Cache: guest.Unsafe, Guest: standin.Login{User: "root", Password: guestPassword},
		GuestPrograms: map[string]standin.GuestProgram{"/sbin/freeze": {Freeze: true}, "/sbin/thaw": {Thaw: true}}})
	if err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "GRANARY_GUEST_PASSWORD="+guestPassword)
	b := &tableBench{w, g, w.makeVM(lab.Spec{Chain: 1})}
	if g.found != "off" {
		w.start(b.vm)
	}
	if g.found == "suspended" {
		w.tool("vmrun", "suspend", b.vm.VMX)
	}
	return b
}

// on is the bench for another test.
func (b *tableBench) on(t *testing.T) *tableBench {
	w := *b.world
	w.T = t
	return &tableBench{&w, b.tableGroup, b.vm}
}

// try captures the VM with the fault, without it recovers the VM where a journal
// waits, and looks whether all is as the group's rule says.
func (b *tableBench) try(c tableCase, closely bool) {
	b.Helper()
	want := b.rule(b.tableGroup, c)
	before := b.generations()
	b.fault(c)
	o := b.captureWith(c)
	if err := b.vmware.SetFaults(); err != nil {
		b.Fatal(err)
	}
	if o.status != want.status {
		b.Errorf("exit status %d, want %d", o.status, want.status)
	}
	b.said(o, want)
	var made captured
	if o.stdout != "" {
		if err := json.Unmarshal([]byte(o.stdout), &made); err != nil {
			b.Errorf("stdout is not one line of JSON: %v", err)
		}
	}
	if made.Consistency != want.consistency {
		b.Errorf("captured as %q, want %q", made.Consistency, want.consistency)
	}
	if got := b.generations() - before; (got == 1) != (want.consistency != "") || got > 1 {
		b.Errorf("%d new generations", got)
	}
	if want.journal {
		if left := b.journals(); left != 1 {
			b.Errorf("%d journals wait for recovery", left)
		}
		b.must("recover")
	}
	b.asItWasFound()
	if closely && made.Generation != "" {
		b.whole(made)
	}
	if closely {
		b.capture(b.arguments()...)
		b.asItWasFound()
	}
	if b.Failed() {
		b.Logf("%+v\nwant %+v\nstdout: %sstderr: %s", c, want, o.stdout, o.stderr)
	}
}

// fault makes vmrun misbehave.
func (b *tableBench) fault(c tableCase) {
	b.Helper()
	f := c.fault
	f.Verb = b.verb
	first := max(b.from, 1)
	faults := slices.Clone(b.beside)
	switch {
	case !c.always:
		f.Call = first
		faults = append(faults, f)
	case first == 1:
		faults = append(faults, f)
	default:
		for f.Call = first; f.Call < first+mostCalls; f.Call++ {
			faults = append(faults, f)
		}
	}
	if err := b.vmware.SetFaults(faults...); err != nil {
		b.Fatal(err)
	}
}

// mostCalls is more than one capture makes of any verb.
const mostCalls = 40

func (b *tableBench) arguments() []string {
	return slices.Concat([]string{"--settle", "500ms", "--quiesce", b.method}, b.flags, []string{b.vm.VMX})
}

// captureWith captures the VM. What hangs ends soon; what has to be done first
// has more time, and so has a call of the verb that succeeds later.
func (b *tableBench) captureWith(c tableCase) outcome {
	b.Helper()
	deadline := ""
	switch {
	case c.nature == hangs && (b.steps == "query" || c.always && c.at() == standin.Before):
		deadline = "1500ms"
	case c.nature == hangs:
		deadline = "5s"
	case c.nature == passes && c.always && c.at() == standin.Before:
		deadline = "1500ms" // time for a second try
	}
	args := []string{"-k", "5", "120", "granary", "capture", "--json"} // nothing may hang
	if deadline != "" {
		for step := range strings.FieldsSeq(b.steps) {
			args = append(args, "--deadline", step+"="+deadline)
		}
	}
	return b.run("timeout", append(args, b.arguments()...)...)
}

// said fails unless granary has said what is wanted, each error with its hint,
// and nothing else.
func (b *tableBench) said(o outcome, want want) {
	b.Helper()
	var errs, hints []string
	warned := false
	before := ""
	for line := range strings.Lines(o.stderr) {
		line = strings.TrimSuffix(line, "\n")
		hint, isHint := strings.CutPrefix(line, "hint: ")
		switch {
		case strings.HasPrefix(line, "granary: warning: "):
			warned = warned || !slices.ContainsFunc(want.warns, func(part string) bool { return !strings.Contains(line, part) })
		case strings.HasPrefix(line, "granary: "):
			errs = append(errs, line)
		case isHint && strings.HasPrefix(before, "granary: capture "):
			hints = append(hints, hint)
		case isHint, strings.HasPrefix(line, "panic: "):
			b.Errorf("granary said %q", line)
		}
		before = line
	}
	if strings.Contains(o.stderr+o.stdout, guestPassword) {
		b.Error("granary tells the guest's password")
	}
	if want.warns != nil && !warned {
		b.Errorf("no warning: %q", want.warns)
	}
	if want.warns == nil && strings.Contains(o.stderr, "version is unknown") {
		b.Error("vmrun's version was not understood")
	}
	if (want.status != 0) != (len(errs) == 1) {
		b.Errorf("%d errors", len(errs))
		return
	}
	if want.status == 0 || want.says == nil {
		return
	}
	for _, part := range want.says {
		if !strings.Contains(errs[0], part) {
			b.Errorf("the error does not say %q", part)
		}
	}
	hint := strings.Join(hints, "")
	switch {
	case len(hints) > 1 || !strings.Contains(hint, want.hint), want.hint == "" && !want.recovers && hint != "":
		b.Errorf("the hint is %q, want %q", hint, want.hint)
	case want.recovers && want.hint == "" && hint != "run granary recover", want.recovers && !strings.HasSuffix(hint, "run granary recover"):
		b.Errorf("the hint is %q, and should be to run granary recover", hint)
	}
}

func (b *tableBench) generations() int { return b.entries("repo/generations", "") }

func (b *tableBench) journals() int { return b.entries("state/journals", ".journal") }

// entries counts the files of a folder, which may be missing.
func (b *tableBench) entries(dir, ending string) int {
	b.Helper()
	entries, err := os.ReadDir(b.path(dir))
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) {
			n++
		}
	}
	return n
}

// asItWasFound fails unless the VM is: running, suspended or off, its programs
// at work, its own snapshot there and none of granary's.
func (b *tableBench) asItWasFound() {
	b.Helper()
	running := b.found == ""
	b.asItWas(b.vm, running)
	if list := b.tool("vmrun", "listSnapshots", b.vm.VMX); !strings.Contains(list, foreign) {
		b.Errorf("the foreign snapshot is gone:\n%s", list)
	}
	states, err := filepath.Glob(filepath.Join(b.vm.Dir, "*.vmss"))
	if err != nil {
		b.Fatal(err)
	}
	if (len(states) > 0) != (b.found == "suspended") {
		b.Errorf("the states of suspended machines are %q", states)
	}
	if running && b.vmware.Running(b.vm.VMX) {
		status, err := b.vmware.GuestStatus(b.vm.VMX)
		if err != nil || status.Quiesced || status.Frozen {
			b.Errorf("the guest is %+v, %v", status, err)
		}
	}
}

// flags of the guest's last stamp, by consistency.
var guestFlags = map[string]string{"clean": "clean-shutdown", "suspended": "suspended", "crash": "", "application": "quiesced", "offline": ""}

// whole restores a generation and has the guest's stamps prove it.
func (b *tableBench) whole(made captured) {
	b.Helper()
	to := b.path("restored", made.Generation)
	b.must("restore", "-q", "web@"+made.Generation, "--to", to)
	if proof := b.onePointInTime(filepath.Join(to, "web.vmx")); !strings.Contains(proof, guestFlags[made.Consistency]) {
		b.Errorf("the guest was %s, and its generation is %s", proof, made.Consistency)
	}
	if err := os.RemoveAll(to); err != nil {
		b.Fatal(err)
	}
}
