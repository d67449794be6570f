package standin_test

import (
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

// slowCopy copies the files of dir that match, a piece at a time with rests.
func slowCopy(t *testing.T, dir, pattern, target string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(target, filepath.Base(path)))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		for err == nil {
			_, err = io.CopyN(out, in, 4<<20)
			time.Sleep(3 * time.Millisecond)
		}
		if err != io.EOF {
			t.Fatal(err)
		}
	}
}

// The frozen disks of a running machine show one moment for as long as they are
// read; the merge and a restart lose nothing.
func TestSnapshotOfRunningMachine(t *testing.T) {
	for _, subformat := range lab.Subformats {
		t.Run(subformat, func(t *testing.T) {
			r := newRig(t, lab.Spec{Subformat: subformat, Disks: 3, ExternalDisk: filepath.Join(t.TempDir(), "elsewhere")})
			frozen := r.disks()
			external := filepath.Dir(frozen[2])
			r.must("start", "nogui")
			r.goesOn(guest.Slots)
			r.must("snapshot", "granary test")
			live := r.disks()
			for i := range frozen {
				if live[i] == frozen[i] || filepath.Dir(live[i]) != filepath.Dir(frozen[i]) {
					t.Errorf("disk %d: %s after %s", i, live[i], frozen[i])
				}
			}
			if !r.exists("web-Snapshot1.vmsn") || !r.exists("web-Snapshot1.vmem") || !r.exists(filepath.Base(live[0])+".lck") {
				t.Error("state, memory or lock is missing")
			}
			target := t.TempDir()
			slowCopy(t, r.vm.Dir, "*.vmdk", target)
			slowCopy(t, external, "*.vmdk", target)
			var copies []string
			for _, disk := range frozen {
				copies = append(copies, filepath.Join(target, filepath.Base(disk)))
			}
			point := r.verify(copies)
			if again := r.verify(frozen); again.Seq != point.Seq {
				t.Errorf("frozen disks moved from %d to %d", point.Seq, again.Seq)
			}
			r.goesOn(3)
			r.must("deleteSnapshot", "granary test")
			r.goesOn(3)
			if names := r.disks(); strings.Join(names, "|") != strings.Join(frozen, "|") {
				t.Errorf("disks after the merge: %q", names)
			}
			if r.snapshots() != "Total snapshots: 0\n" || r.exists("web-Snapshot1.vmsn") || r.exists(filepath.Base(live[0])) {
				t.Error("the snapshot left something behind")
			}
			r.must("reset", "soft")
			r.must("stop", "soft")
			end := r.verify(r.disks())
			if end.Boots != 2 || end.Seq <= point.Seq || end.Flag != guest.CleanShutdown {
				t.Errorf("at the end %+v, at the snapshot %+v", end, point)
			}
			r.noLocks()
		})
	}
}

// The proof can fail: a slow copy of disks that are not frozen is torn.
func TestCopyWithoutSnapshotIsTorn(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2, Subformat: "monolithicFlat"})
	r.must("start")
	r.goesOn(guest.Slots)
	target := t.TempDir()
	slowCopy(t, r.vm.Dir, "*.vmdk", target)
	report, err := guest.Verify(t.Context(), []string{filepath.Join(target, "web.vmdk"), filepath.Join(target, "web_1.vmdk")})
	if err == nil {
		t.Fatalf("a torn copy passed: %+v", report)
	}
}

func TestStopSnapshotStart(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	frozen := r.disks()
	r.must("start")
	r.must("stop", "soft")
	r.must("snapshot", "cold")
	r.must("start")
	r.goesOn(3)
	if report := r.verify(frozen); report.Flag != guest.CleanShutdown || report.Boots != 1 {
		t.Errorf("frozen: %+v", report)
	}
	if r.exists("web-Snapshot1.vmem") {
		t.Error("memory of a machine that was off")
	}
	r.must("deleteSnapshot", "cold")
	r.goesOn(3)
}

// Snapshots that others made stay, wherever in the chain ours was.
func TestChains(t *testing.T) {
	for _, subformat := range []string{"monolithicSparse", "twoGbMaxExtentSparse", "streamOptimized"} {
		t.Run(subformat, func(t *testing.T) {
			r := newRig(t, lab.Spec{Chain: 2, Subformat: subformat, Disks: 2})
			r.must("start")
			r.must("snapshot", "ours")
			r.goesOn(5)
			r.must("snapshot", "later")
			r.goesOn(5)
			want := "Total snapshots: 4\nlevel 1\n\tlevel 2\n\t\tours\n\t\t\tlater\n"
			if got := r.snapshots(); got != want {
				t.Fatalf("snapshots %q, want %q", got, want)
			}
			current := r.names()
			r.must("deleteSnapshot", "ours")
			if r.names() != current {
				t.Errorf("a merge below changed the disks: %s, then %s", current, r.names())
			}
			r.goesOn(5)
			r.must("stop", "hard")
			r.verify(r.disks())
			r.must("deleteSnapshot", "level 1/level 2", "andDeleteChildren")
			want = "Total snapshots: 1\nlevel 1\n"
			if got := r.snapshots(); got != want {
				t.Fatalf("snapshots %q, want %q", got, want)
			}
			r.must("start")
			r.must("deleteSnapshot", "level 1")
			r.goesOn(3)
			deltas, err := filepath.Glob(filepath.Join(r.vm.Dir, "*-00000[2-9]*.vmdk"))
			if err != nil || len(deltas) > 0 {
				t.Errorf("left: %q, %v", deltas, err)
			}
		})
	}
}

func TestSnapshotNames(t *testing.T) {
	r := newRig(t, lab.Spec{})
	vmx := r.vm.VMX
	for range 2 {
		r.must("snapshot", "same name")
	}
	r.wants("Total snapshots: 2\nsame name\nsame name\n", 0, "listSnapshots", vmx)
	r.wants("Error: The name does not uniquely identify one snapshot\n", 255, "deleteSnapshot", vmx, "same name")
	r.wants("Error: The snapshot does not exist\n", 255, "deleteSnapshot", vmx, "other name")
	r.must("deleteSnapshot", "same name/same name")
	r.must("deleteSnapshot", "same name")
	r.wants("Total snapshots: 0\n", 0, "listSnapshots", vmx)
	if r.names() != "web.vmdk" {
		t.Errorf("disks %s", r.names())
	}
}

func TestIndependentDisk(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2, Independent: true})
	r.must("start")
	out, code := r.vmrun("snapshot", r.vm.VMX, "hot")
	if code != 255 || !strings.Contains(out, "independent disks") {
		t.Errorf("hot: %d, %q", code, out)
	}
	r.goesOn(3)
	r.must("stop")
	r.must("snapshot", "cold")
	if r.names() != "web-000001.vmdk web_1.vmdk" {
		t.Errorf("disks %s", r.names())
	}
	r.must("start")
	r.goesOn(3)
	r.must("deleteSnapshot", "cold")
	r.goesOn(3)
}

func TestDeleteKeepsADelta(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2})
	r.faults(standin.Fault{Verb: "deleteSnapshot", KeepDelta: true})
	r.must("start")
	r.must("snapshot", "one")
	r.must("deleteSnapshot", "one")
	if r.names() != "web-000002.vmdk web_1-000002.vmdk" || r.snapshots() != "Total snapshots: 0\n" {
		t.Errorf("disks %s", r.names())
	}
	r.goesOn(5)
	r.faults()
	r.must("snapshot", "two")
	r.goesOn(5)
	r.must("deleteSnapshot", "two")
	r.goesOn(5)
	if r.names() != "web-000002.vmdk web_1-000002.vmdk" {
		t.Errorf("disks %s", r.names())
	}
}

// A suspended machine can be snapshotted, and resumes on the redo disk.
func TestSnapshotOfSuspendedMachine(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.must("start")
	r.must("suspend")
	frozen := r.disks()
	r.must("snapshot", "s")
	r.must("start")
	r.goesOn(3)
	if report := r.verify(frozen); report.Flag != guest.Suspended {
		t.Errorf("frozen: %+v", report)
	}
	if status := r.status(); status.Boots != 1 {
		t.Errorf("resumed as %+v", status)
	}
	r.must("deleteSnapshot", "s")
	r.goesOn(1)
}
