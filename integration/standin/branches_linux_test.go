package standin_test

import (
	"path/filepath"
	"strings"
	"testing"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// disksOnDisk returns the names of all disk files in the machine's directory.
func (r *rig) disksOnDisk() string {
	r.Helper()
	paths, err := filepath.Glob(filepath.Join(r.vm.Dir, "*.vmdk"))
	if err != nil {
		r.Fatal(err)
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return strings.Join(paths, " ")
}

// used starts the machine, lets it write and stops it.
func (r *rig) used() guest.Report {
	r.Helper()
	r.must("start")
	r.goesOn(3)
	r.must("stop")
	return r.verify(r.disks())
}

func TestRevert(t *testing.T) {
	r := newRig(t, lab.Spec{Disks: 2, Subformat: "twoGbMaxExtentSparse"})
	vmx := r.vm.VMX
	then := r.used()
	r.must("snapshot", "then")
	r.must("start")
	r.goesOn(3)
	r.wants("Error: The file is already in use\n", 255, "revertToSnapshot", vmx, "then")
	r.must("suspend")
	r.wants("Error: The snapshot does not exist\n", 255, "revertToSnapshot", vmx, "never")
	r.must("revertToSnapshot", "then")
	if again := r.verify(r.disks()); again.Seq != then.Seq || again.Flag != guest.CleanShutdown {
		t.Errorf("reverted to %+v, not %+v", again, then)
	}
	// The abandoned redo disks are gone, and so is the suspended state.
	if files := r.disksOnDisk(); strings.Contains(files, "000001") || !strings.Contains(files, "web_1-000002-s001.vmdk") {
		t.Errorf("disk files %s", files)
	}
	if states, err := filepath.Glob(filepath.Join(r.vm.Dir, "*.vmss")); err != nil || len(states) > 0 {
		t.Errorf("states %q, %v", states, err)
	}
	if report := r.used(); report.Boots != then.Boots+1 {
		t.Errorf("used again: %+v", report)
	}
	r.must("deleteSnapshot", "then")
	if r.names() != "web.vmdk web_1.vmdk" {
		t.Errorf("disks %s", r.names())
	}
	r.used()
}

func TestRevertKilledHalfWay(t *testing.T) {
	r := newRig(t, lab.Spec{})
	r.must("snapshot", "then")
	now := r.used()
	r.faults(standin.Fault{Verb: "revertToSnapshot", Do: standin.Die, At: standin.Midway})
	r.wants("", -1, "revertToSnapshot", r.vm.VMX, "then")
	if report := r.verify(r.disks()); report.Seq != now.Seq {
		t.Errorf("half a revert shows %+v, not %+v", report, now)
	}
	r.used()
}

// grow makes the tree
//
//	root
//	├── left
//	│   └── leaf
//	└── right, where the machine is
func (r *rig) grow() {
	r.Helper()
	r.must("snapshot", "root")
	r.used()
	r.must("snapshot", "left")
	r.used()
	r.must("snapshot", "leaf")
	r.used()
	r.must("revertToSnapshot", "root")
	r.used()
	r.must("snapshot", "right")
	r.used()
	if got, want := r.snapshots(), "Total snapshots: 4\nroot\n\tleft\n\t\tleaf\n\tright\n"; got != want {
		r.Fatalf("snapshots %q, want %q", got, want)
	}
}

func TestBranches(t *testing.T) {
	for _, c := range []struct {
		about   string
		deletes []string
		tree    string
		files   string
	}{
		{"a leaf", []string{"leaf"}, "Total snapshots: 3\nroot\n\tleft\n\tright\n", "web-000001.vmdk web-000003.vmdk web-000004.vmdk web.vmdk"},
		{"a branch", []string{"left andDeleteChildren"}, "Total snapshots: 2\nroot\n\tright\n", "web-000003.vmdk web-000004.vmdk web.vmdk"},
		{"the fork", []string{"root"}, "Total snapshots: 3\nleft\n\tleaf\nright\n", "web-000001.vmdk web-000002.vmdk web-000003.vmdk web-000004.vmdk web.vmdk"},
		{"the fork, then a branch", []string{"root", "left andDeleteChildren"}, "Total snapshots: 1\nright\n", "web-000003.vmdk web-000004.vmdk web.vmdk"},
		{"where the machine is", []string{"right"}, "Total snapshots: 3\nroot\n\tleft\n\t\tleaf\n", "web-000001.vmdk web-000002.vmdk web-000004.vmdk web.vmdk"},
		{"all", []string{"root andDeleteChildren"}, "Total snapshots: 0\n", "web.vmdk"},
	} {
		t.Run(c.about, func(t *testing.T) {
			r := newRig(t, lab.Spec{})
			r.grow()
			before := r.verify(r.disks())
			for _, d := range c.deletes {
				r.must("deleteSnapshot", strings.Fields(d)...)
			}
			if after := r.verify(r.disks()); after.Seq != before.Seq {
				t.Errorf("the machine was at %d and is at %d", before.Seq, after.Seq)
			}
			if got := r.snapshots(); got != c.tree {
				t.Errorf("snapshots %q, want %q", got, c.tree)
			}
			if got := r.disksOnDisk(); got != c.files {
				t.Errorf("disk files %s, want %s", got, c.files)
			}
			if strings.Contains(c.tree, "leaf") {
				r.must("revertToSnapshot", "leaf")
			}
			r.used()
		})
	}
}
