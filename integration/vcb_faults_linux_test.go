package integration

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"granary/capture/vcb"
	"granary/integration/standin"
)

// exportCase is a way in which vcbMounter works or does not, and what granary
// makes of it, however the VM was brought to rest.
type exportCase struct {
	about  string
	fault  standin.VCBFault
	args   []string // of granary, too
	status int
	says   string // a regular expression for stderr
	hint   string // one for the hint; "" for no hint
}

// exportFault is a fault of vcbMounter's exports.
func exportFault(f standin.Fault) standin.VCBFault {
	f.Verb = "export"
	return standin.VCBFault{Fault: f}
}

// exportSays is a fault of an export that prints a text at a moment.
func exportSays(text, at string) standin.VCBFault {
	return exportFault(standin.Fault{Do: standin.Fail, Text: text, At: at})
}

// exportLies is one that leaves with status 0.
func exportLies(text, at string) standin.VCBFault {
	done := 0
	f := exportSays(text, at)
	f.Exit = &done
	return f
}

// leaving is the fault with vcbMounter's snapshot left behind.
func leaving(f standin.VCBFault) standin.VCBFault {
	f.KeepSnapshot = true
	return f
}

const (
	warningLine = "[2007-08-07 12:13:47.418 'App' 2144 warning] Sending SCSI inquiry failed: Unknown error."
	triviaLine  = "[2007-08-07 12:13:47.418 'vcbMounter' 2144 trivia] login again after the session timed out"
	errorLine   = "[2007-08-07 12:29:43.798 'BlockList' 2052 error] Your ESX server needs to be upgraded"
	timedOut    = `^granary: capture name:web: export: vcbMounter export name:web: not finished within .*; its snapshot _VCB-BACKUP_ may be left behind$`
	laterHint   = "a larger deadline for exports"
	roomHint    = "make room in the export directory"
	loginHint   = "check host, user and password"
	partialHint = "the export is not used"
	missingHint = "a VM is captured whole or not at all"
)

var hastyExport = []string{"--deadline", "export=1s"}

// exportFailed is how granary repeats what an export said.
func exportFailed(words string) string {
	return "^granary: capture name:web: export: vcbMounter export name:web: " + words + "$"
}

var exportCases = []exportCase{
	{about: "works"},
	{about: "works with CRLF", fault: exportFault(standin.Fault{CRLF: true})},
	{about: "works with noise", fault: exportFault(standin.Fault{Noise: "Using config.js of 2007", NoiseAfter: "bye"})},
	{about: "works with other log lines", fault: exportFault(standin.Fault{Noise: warningLine, NoiseAfter: triviaLine})},
	{about: "works, and leaves its snapshot", fault: leaving(exportFault(standin.Fault{}))},

	{about: "hangs before", fault: exportFault(standin.Fault{Do: standin.Hang}), args: hastyExport, status: 1, says: timedOut, hint: laterHint},
	{about: "hangs midway", fault: exportFault(standin.Fault{Do: standin.Hang, At: standin.Midway}), args: hastyExport, status: 1, says: timedOut, hint: laterHint},
	{about: "hangs after", fault: exportFault(standin.Fault{Do: standin.Hang, At: standin.After}), args: hastyExport, status: 1, says: timedOut, hint: laterHint},

	{about: "is killed before", fault: exportFault(standin.Fault{Do: standin.Die}), status: 1, says: exportFailed("it ended with signal: killed and said nothing")},
	{about: "is killed midway", fault: exportFault(standin.Fault{Do: standin.Die, At: standin.Midway}), status: 1, says: exportFailed("it ended with signal: killed and said nothing")},
	{about: "is killed after", fault: exportFault(standin.Fault{Do: standin.Die, At: standin.After}), status: 1, says: exportFailed("it ended with signal: killed and said nothing")},

	{about: "wants an upgrade", fault: exportSays(errorLine, standin.Midway), status: 1, says: exportFailed("Your ESX server needs to be upgraded")},
	{about: "fails, and leaves its snapshot", fault: leaving(exportSays(errorLine, standin.Midway)), status: 1, says: exportFailed("Your ESX server needs to be upgraded")},
	{about: "fails with noise and CRLF", fault: exportFault(standin.Fault{Do: standin.Fail, Text: errorLine, At: standin.Midway, Noise: warningLine, NoiseAfter: "bye", CRLF: true}),
		status: 1, says: exportFailed("Your ESX server needs to be upgraded")},
	{about: "is refused by the guest's script", fault: exportSays("Error: Custom quiesce script failed.", standin.Before), status: 1, says: exportFailed(`Custom quiesce script failed\.`)},
	{about: "does not reach the host", fault: exportSays("[2007-08-07 12:29:43.798 'vcbMounter' 2052 error] Could not connect to host esx1: No route to host", standin.Before),
		status: 1, says: exportFailed("Could not connect to host esx1: No route to host")},
	{about: "is not let in", fault: exportSays("Error: Login failed due to a bad username or password.", standin.Before), status: 1, says: exportFailed("Login failed .*"), hint: loginHint},
	{about: "loses its login midway", fault: leaving(exportSays("Error: The session is not authenticated.", standin.Midway)),
		status: 1, says: exportFailed(`The session is not authenticated\.`), hint: loginHint},
	{about: "asks for a password", fault: exportFault(standin.Fault{Do: standin.Prompt}), status: 1, says: exportFailed(".*A password is required for this operation"), hint: loginHint},
	{about: "finds the directory there", fault: exportSays("Error: Cannot mount virtual machine: /exports/web already exists", standin.Before),
		status: 1, says: exportFailed("Cannot mount virtual machine: /exports/web already exists"), hint: "remove what an earlier export left"},
	{about: "gives up waiting", fault: leaving(exportSays("Error: The operation timed out.", standin.Midway)), status: 1, says: exportFailed(`The operation timed out\.`), hint: laterHint},
	{about: "finds the disk full", fault: exportFault(standin.Fault{Do: standin.Fill}), status: 1, says: exportFailed(".*There is not enough space on the disk.*"), hint: roomHint},
	{about: "says nothing", fault: exportSays("", standin.Midway), status: 1, says: exportFailed("it ended with exit status 255 and said nothing")},

	{about: "has an error before, and status 0", fault: exportLies("Error: Unknown error", standin.Before), status: 1, says: exportFailed("Unknown error")},
	{about: "has an error midway, and status 0", fault: exportLies(errorLine, standin.Midway), status: 1, says: exportFailed("Your ESX server needs to be upgraded")},
	{about: "has an error after, and status 0", fault: exportLies("Error: Unknown error", standin.After), status: 1, says: exportFailed("Unknown error")},

	{about: "does nothing, and succeeds", fault: exportLies("", standin.Before), status: 1, says: exportFailed("it reported success, but the export is not whole: .*"), hint: partialHint},
	{about: "lacks the catalog", fault: standin.VCBFault{Lose: standin.LoseCatalog}, status: 1, says: exportFailed("it reported success, but the export is not whole: .*"), hint: partialHint},
	{about: "lacks a disk", fault: standin.VCBFault{Lose: standin.LoseDisk}, status: 1, says: `export of disk scsi0:1: .*: export is incomplete$`},
	{about: "lacks an extent", fault: standin.VCBFault{Lose: standin.LoseExtent}, status: 1, says: `export of disk scsi0:1: .*file is missing`, hint: missingHint},
	{about: "lacks the tail of a flat disk", fault: standin.VCBFault{Lose: standin.LoseTail}, args: []string{"--monolithic"}, status: 1, says: `export of disk scsi0:1: `},
	{about: "lacks the tail of an extent", fault: standin.VCBFault{Lose: standin.LoseTail}, status: 1, says: `export of disk scsi0:1: `},
	{about: "lacks the tail, and leaves its snapshot", fault: leaving(standin.VCBFault{Lose: standin.LoseTail}), status: 1, says: `export of disk scsi0:1: `},

	{about: "cannot be unmounted", fault: standin.VCBFault{Fault: standin.Fault{Verb: "unmount", Do: standin.Fail, Text: "Error: device is busy"}},
		says: `^granary: warning: the export could not be unmounted .*device is busy`},
	{about: "dies when it is unmounted", fault: standin.VCBFault{Fault: standin.Fault{Verb: "unmount", Do: standin.Die}},
		says: `^granary: warning: the export could not be unmounted .*signal: killed`},
}

// Whatever vcbMounter does, and however the VM was brought to rest: a whole
// export becomes a generation that proves one point in time, and any other none;
// granary says why; and the VM is as it was found, with nothing left.
func TestExportFaults(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			for _, c := range exportCases {
				t.Run(c.about, func(t *testing.T) { h.on(t).meets(c) })
			}
		})
	}
}

// on is the same host in a subtest.
func (h *exportHost) on(t *testing.T) *exportHost {
	w := *h.world
	w.T = t
	return &exportHost{&w, h.exportMethod, h.vm}
}

// meets captures the VM while vcbMounter behaves so.
func (h *exportHost) meets(c exportCase) {
	h.Helper()
	h.setMounter("", c.fault)
	generations := h.generations()
	o := h.granary(h.arguments("name:web", c.args...)...)
	h.setMounter("")
	h.ended(o, c.status, c.says, c.hint)
	if c.status == 0 {
		h.exported(o.stdout)
		generations++
	}
	if got := h.generations(); got != generations {
		h.Errorf("%d generations, want %d", got, generations)
	}
	h.asFound()
	h.empty("repo/sessions")
	if h.Failed() && strings.Contains(h.onHost("listSnapshots"), vcb.LeftoverSnapshot) {
		h.onHost("deleteSnapshot", vcb.LeftoverSnapshot) // the next case has nothing to do with it
	}
}

func (h *exportHost) generations() int {
	h.Helper()
	entries, err := os.ReadDir(h.path("repo", "generations"))
	if err != nil && !os.IsNotExist(err) {
		h.Fatal(err)
	}
	return len(entries)
}

// ended checks granary's exit status, that a line of what it said fits, and
// that the hint for what failed does.
func (h *exportHost) ended(o outcome, status int, line, hint string) {
	h.Helper()
	if o.status != status {
		h.Errorf("exit status %d, want %d", o.status, status)
	}
	if !regexp.MustCompile("(?m)" + line).MatchString(o.stderr) {
		h.Errorf("no line fits %s", line)
	}
	hints := regexp.MustCompile("(?m)^hint: .*$").FindAllString(o.stderr, -1)
	if hint == "" && len(hints) > 0 || hint != "" && (len(hints) != 1 || !strings.Contains(hints[0], hint)) {
		h.Errorf("the hints are %q, want %q", hints, hint)
	}
	if strings.Contains(o.stdout+o.stderr, hostSecret) {
		h.Error("it tells the password")
	}
	if h.Failed() {
		h.Logf("granary said\n%s", o.stderr)
	}
}

// A vcbMounter that hangs and is deaf to the polite signal is killed in the end.
func TestDeafExport(t *testing.T) {
	t.Parallel()
	type ending struct {
		*exportHost
		cmd  *exec.Cmd
		said *bytes.Buffer
	}
	var all []ending
	for at, method := range map[string]string{standin.Before: "stop", standin.Midway: "snapshot without vmrun", standin.After: "stop-snapshot"} {
		h := newExportHost(t, exportMethodNamed(method))
		h.setMounter("", exportFault(standin.Fault{Do: standin.Hang, At: at, IgnoreTerm: true}))
		e := ending{h, h.command("granary", h.arguments("name:web", hastyExport...)...), &bytes.Buffer{}}
		e.cmd.Stderr = e.said
		if err := e.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	for _, e := range all {
		_ = e.cmd.Wait() // its status tells
		e.ended(outcome{status: e.cmd.ProcessState.ExitCode(), stderr: e.said.String()}, 1, timedOut, laterHint)
		e.asFound()
	}
}

// A name in the wrong case, or of nobody, is told before a guest is brought
// down for nothing.
func TestExportOfNobody(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			for _, target := range []string{"name:Web", "ipaddr:10.1.2.3.4", "uuid:00 00", "moref:vm-0"} {
				o := h.granary(h.arguments(target)...)
				h.ended(o, 1, "^granary: capture "+target+": .*Could not find a virtual machine that matches "+target+"$", "name: is case-sensitive")
			}
			h.asFound()
			if n := len(h.called("stop")) + len(h.called("suspend")); n > 0 {
				t.Errorf("the guest was brought down %d times", n)
			}
		})
	}
}

// A snapshot of another backup is in the way, and stays; it is deleted only on
// request.
func TestExportMeetsAnothersSnapshot(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			h.onHost("snapshot", vcb.LeftoverSnapshot)
			for _, fault := range []standin.VCBFault{{}, exportFault(standin.Fault{Do: standin.Hang})} {
				h.setMounter("", fault)
				o := h.granary(h.arguments("name:web")...)
				h.ended(o, 1, "^granary: capture name:web: a snapshot _VCB-BACKUP_ is in the way$", "--delete-vcb-snapshot")
			}
			h.setMounter("")
			if list := h.onHost("listSnapshots"); !strings.Contains(list, vcb.LeftoverSnapshot) {
				t.Errorf("it was deleted:\n%s", list)
			}
			if n := len(h.called("stop")) + len(h.called("suspend")); n > 0 {
				t.Errorf("the guest was brought down %d times", n)
			}
			h.must(h.arguments("name:web", "--delete-vcb-snapshot")...)
			h.asFound()
		})
	}
}

// Another backup takes its snapshot when granary has looked already: vcbMounter
// refuses, and the snapshot stays.
func TestAnotherBackupIsFaster(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			h.setMounter("", exportFault(standin.Fault{DelayBefore: "1s"}))
			done := make(chan outcome, 1)
			go func() { done <- h.granary(h.arguments("name:web")...) }()
			if err := eventually(t.Context(), "an export", func() bool { return len(h.called("vcbMounter")) == 2 }); err != nil {
				t.Error(err)
			}
			h.onHost("snapshot", vcb.LeftoverSnapshot)
			h.ended(<-done, 1, exportFailed("Snapshot creation failed: .*"), "--delete-vcb-snapshot")
			if list := h.onHost("listSnapshots"); !strings.Contains(list, vcb.LeftoverSnapshot) {
				t.Errorf("it was deleted:\n%s", list)
			}
			h.onHost("deleteSnapshot", vcb.LeftoverSnapshot)
			h.asFound()
		})
	}
}

// A snapshot of ours that cannot be deleted does not undo the generation: it is
// done in part, and recover goes on with it.
func TestExportSnapshotStays(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			busy := standin.Fault{Do: standin.Fail, Text: "Error: The operation was canceled", Verb: "deleteSnapshot"}
			if err := h.vmware.SetFaults(busy); err != nil {
				t.Fatal(err)
			}
			busy.Verb = "delete"
			h.setMounter("", leaving(exportFault(standin.Fault{})), standin.VCBFault{Fault: busy})
			o := h.granary(h.arguments("name:web")...)
			h.ended(o, 3, "^granary: .*the VM is not as it was found: delete the snapshot _VCB-BACKUP_: .*The operation was canceled", "run granary recover")
			h.exported(o.stdout)
			if o := h.granary("recover"); o.status != 1 {
				t.Errorf("recover: exit status %d\n%s", o.status, o.stderr)
			}
			if err := h.vmware.SetFaults(); err != nil {
				t.Fatal(err)
			}
			h.setMounter("")
			if said := h.must("recover"); !strings.Contains(said, ": brought back, ") || strings.Contains(said, "  ") {
				t.Errorf("recover says %q", said)
			}
			h.asFound()
		})
	}
}
