package standin_test

import (
	"path/filepath"
	"testing"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// newGuestRig returns a rig with programs in its guest.
func newGuestRig(t *testing.T, spec lab.Spec) *rig {
	t.Helper()
	r := newRig(t, spec)
	r.configure(standin.Settings{
		Guest: standin.Login{User: "root", Password: "guest secret"},
		GuestPrograms: map[string]standin.GuestProgram{
			"/usr/sbin/freeze": {Freeze: true}, "/usr/sbin/thaw": {Thaw: true},
			"/usr/sbin/half": {Freeze: true, Exit: 3}, "/bin/slow": {Delay: "1h"}, "fsfreeze -f /": {Freeze: true},
		},
	})
	return r
}

// inGuest are the arguments of a guest command with the right login.
func (r *rig) inGuest(verb string, args ...string) []string {
	return append([]string{"-T", "ws", "-gu", "root", "-gp", "guest secret", verb, r.vm.VMX}, args...)
}

// A snapshot between freeze and thaw proves by itself that the guest was quiet.
func TestQuiescedSnapshot(t *testing.T) {
	r := newGuestRig(t, lab.Spec{Disks: 3})
	frozen := r.disks()
	r.must("start")
	r.goesOn(3)
	r.wants("", 0, r.inGuest("runProgramInGuest", "/usr/sbin/freeze", "-u", "all")...)
	r.wants("", 0, r.inGuest("runProgramInGuest", "-noWait", "/usr/sbin/freeze")...)
	before := r.status()
	if !before.Quiesced {
		t.Errorf("after the freeze: %+v", before)
	}
	r.must("snapshot", "quiet")
	if after := r.status(); after != before {
		t.Errorf("before the snapshot %+v, after it %+v", before, after)
	}
	r.wants("", 0, r.inGuest("runProgramInGuest", "/usr/sbin/thaw")...)
	r.goesOn(3)
	if r.status().Quiesced {
		t.Error("quiesced after the thaw")
	}
	report := r.verify(frozen)
	if report.Flag != guest.Quiesced || report.Seq != before.Seq {
		t.Errorf("the frozen disks: %+v, quiesced at %+v", report, before)
	}
	r.must("snapshot", "loud")
	if report := r.verify([]string{
		filepath.Join(r.vm.Dir, "web-000001.vmdk"), filepath.Join(r.vm.Dir, "web_1-000001.vmdk"), filepath.Join(r.vm.Dir, "web_2-000001.vmdk"),
	}); report.Flag != guest.Running {
		t.Errorf("without a freeze: %+v", report)
	}
}

// A quiesced machine can be stopped, and is not quiesced when it comes again.
func TestStopWhileQuiesced(t *testing.T) {
	r := newGuestRig(t, lab.Spec{})
	for _, mode := range []string{"soft", "hard"} {
		r.must("start")
		r.wants("", 0, r.inGuest("runScriptInGuest", "-interactive", "/bin/sh", "fsfreeze -f /")...)
		if !r.status().Quiesced {
			t.Error("the script did not freeze")
		}
		r.must("stop", mode)
	}
	r.must("start")
	r.goesOn(3)
}

func TestGuestPrograms(t *testing.T) {
	r := newGuestRig(t, lab.Spec{})
	vmx := r.vm.VMX
	const refusal = "Error: Invalid user name or password for the guest OS\n"
	r.wants("Error: The virtual machine is not powered on: "+vmx+"\n", 255, r.inGuest("runProgramInGuest", "/usr/sbin/freeze")...)
	r.must("start")
	r.wants("Guest user: \n"+refusal, 255, "runProgramInGuest", vmx, "/usr/sbin/freeze")
	r.wants("Guest password: \n"+refusal, 255, "-gu", "root", "runProgramInGuest", vmx, "/usr/sbin/freeze")
	r.wants(refusal, 255, "-gu", "root", "-gp", "guess", "runProgramInGuest", vmx, "/usr/sbin/freeze")
	r.wants("Error: A file was not found\n", 255, r.inGuest("runProgramInGuest", "/usr/sbin/other")...)
	r.wants("The file exists.\n", 0, r.inGuest("fileExistsInGuest", "/usr/sbin/freeze")...)
	r.wants("The file does not exist.\n", 0, r.inGuest("fileExistsInGuest", "/usr/sbin/other")...)
	if r.status().Quiesced {
		t.Error("frozen by a refused call")
	}
	r.wants("Guest program exited with non-zero exit code: 3\n", 255, r.inGuest("runProgramInGuest", "/usr/sbin/half")...)
	if !r.status().Quiesced {
		t.Error("a program that freezes and fails did not freeze")
	}
	r.wants("", 0, r.inGuest("runProgramInGuest", "-noWait", "/bin/slow")...)

	// A caller that loses its patience leaves a frozen guest.
	r.wants("", 0, r.inGuest("runProgramInGuest", "/usr/sbin/thaw")...)
	r.faults(standin.Fault{Verb: "runProgramInGuest", Do: standin.Hang, At: standin.Midway})
	hanging := r.begin(r.inGuest("runProgramInGuest", "/usr/sbin/freeze")...)
	for !r.status().Quiesced {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	kill(t, hanging)
	r.faults()
	r.wants("", 0, r.inGuest("runProgramInGuest", "/usr/sbin/thaw")...)
	r.goesOn(3)
}
