package standin_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/capture/vcb"
	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// What an export that fails, or pretends not to, leaves behind.
func TestVCBExportFails(t *testing.T) {
	midway := func(do string) standin.Fault { return standin.Fault{Do: do, At: standin.Midway, Verb: "export"} }
	text := standin.Fault{Do: standin.Fail, At: standin.Midway, Text: "[2007-08-07 12:29:43.798 'BlockList' 2052 error] Your ESX server needs to be upgraded"}
	silent := standin.Fault{Do: standin.Fail, At: standin.After, Text: "Error: Unknown error", Exit: zero()}
	for _, c := range []struct {
		name  string
		fault standin.VCBFault
		want  error  // nil: unwraps to nothing
		text  string // in the error; empty: no error
		left  bool   // the snapshot
	}{
		{"with words", standin.VCBFault{Fault: text}, nil, "needs to be upgraded", false},
		{"with its snapshot left", standin.VCBFault{Fault: text, KeepSnapshot: true}, nil, "needs to be upgraded", true},
		{"with status 0", standin.VCBFault{Fault: silent}, nil, "Unknown error", false},
		{"killed midway", standin.VCBFault{Fault: midway(standin.Die)}, nil, "signal: killed", true},
		{"disk full", standin.VCBFault{Fault: standin.Fault{Do: standin.Fill}}, vcb.ErrNoSpace, "not enough space", false},
		{"prompt", standin.VCBFault{Fault: standin.Fault{Do: standin.Prompt}}, vcb.ErrLogin, "A password is required", false},
		{"without a catalog", standin.VCBFault{Lose: standin.LoseCatalog}, vcb.ErrIncomplete, "reported success", false},
		{"not at all, but the snapshot stays", standin.VCBFault{KeepSnapshot: true}, nil, "", true},
		{"not at all, with noise", standin.VCBFault{Fault: standin.Fault{Noise: "[2007-08-07 12:13:47.418 'App' 2144 warning] Sending SCSI inquiry failed: Unknown error.", CRLF: true}}, nil, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newVCBRig(t, lab.Spec{})
			r.must("start")
			c.fault.Verb = "export"
			r.vcbFaults(c.fault)
			err := r.client.Export(t.Context(), r.target, r.dir)
			var e *vcb.Error
			switch {
			case c.text == "" && err != nil:
				t.Errorf("error %v", err)
			case c.text != "" && (!errors.As(err, &e) || !errors.Is(e.Unwrap(), c.want) || !strings.Contains(e.Error(), c.text)):
				t.Errorf("error %v, unwraps to %v", err, errors.Unwrap(err))
			}
			if got := r.leftover(); got != c.left {
				t.Errorf("snapshot left: %t", got)
			}
			r.goesOn(3)
			r.vcbFaults()
			r.again(c.left)
		})
	}
}

// again removes what a failed export left and exports once more.
func (r *vcbRig) again(left bool) {
	r.Helper()
	if err := vcb.Remove(r.dir); err != nil {
		r.Fatal(err)
	}
	if left {
		if err := r.client.Export(r.Context(), r.target, r.dir); !errors.Is(err, vcb.ErrLeftover) {
			r.Errorf("with the snapshot in the way: %v", err)
		}
		if err := r.client.DeleteLeftover(r.Context(), r.target); err != nil {
			r.Fatal(err)
		}
	}
	if err := r.client.Export(r.Context(), r.target, r.dir); err != nil {
		r.Fatal(err)
	}
	disks, err := r.exported("web.vmdk")
	if err != nil {
		r.Fatal(err)
	}
	r.verify(disks)
}

// Exports that report success and are not whole: the caller can tell.
func TestVCBExportIsPartial(t *testing.T) {
	for _, lose := range []string{standin.LoseDisk, standin.LoseExtent, standin.LoseTail} {
		t.Run(lose, func(t *testing.T) {
			r := newVCBRig(t, lab.Spec{Disks: 2})
			r.vcbFaults(standin.VCBFault{Lose: lose})
			if err := r.client.Export(t.Context(), r.target, r.dir); err != nil {
				t.Fatal(err)
			}
			disks, err := r.exported("web.vmdk", "web_1.vmdk")
			if lose == standin.LoseDisk {
				if !errors.Is(err, vcb.ErrIncomplete) {
					t.Errorf("a missing disk: %q, %v", disks, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if report, err := guest.Verify(t.Context(), disks); err == nil {
				t.Errorf("damaged disks pass: %+v", report)
			}
		})
	}
}

// An export that hangs is ended by the deadline or by the caller.
func TestVCBExportHangs(t *testing.T) {
	r := newVCBRig(t, lab.Spec{})
	hang := func(at string) standin.VCBFault {
		return standin.VCBFault{Fault: standin.Fault{Verb: "export", Do: standin.Hang, At: at}}
	}
	r.vcbFaults(hang(standin.Before))
	r.client.Timeouts.Export = 300 * time.Millisecond
	if err := r.client.Export(t.Context(), r.target, r.dir); !errors.Is(err, vcb.ErrTimeout) {
		t.Errorf("error %v", err)
	}
	r.client.Timeouts.Export = 0
	catalog := func() bool { _, err := vcb.ReadCatalog(r.dir); return err == nil }
	for _, c := range []struct {
		at    string
		ready func() bool
		left  bool
	}{
		{standin.Midway, func() bool { return strings.Contains(r.snapshots(), vcb.LeftoverSnapshot) }, true},
		{standin.After, func() bool { return catalog() && !strings.Contains(r.snapshots(), vcb.LeftoverSnapshot) }, false},
	} {
		r.vcbFaults(hang(c.at))
		ctx, cancel := context.WithCancel(t.Context())
		exported := make(chan error, 1)
		go func() { exported <- r.client.Export(ctx, r.target, r.dir) }()
		r.until(c.at, c.ready)
		cancel()
		if err := <-exported; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), vcb.LeftoverSnapshot) {
			t.Errorf("%s: error %v", c.at, err)
		}
		if r.leftover() != c.left {
			t.Errorf("%s: snapshot left: %t", c.at, !c.left)
		}
		r.vcbFaults()
		r.again(c.left)
		if err := vcb.Remove(r.dir); err != nil {
			t.Fatal(err)
		}
	}
}

// After a granary that was killed, its vcbMounter goes on until it is ended.
func TestVCBOrphans(t *testing.T) {
	r := newVCBRig(t, lab.Spec{})
	r.vcbFaults(standin.VCBFault{Fault: standin.Fault{Verb: "export", Do: standin.Hang, At: standin.Midway}})
	orphan := exec.Command(r.client.Program, "-h", "esx1.example", "-u", "root", "-p", "geheim",
		"-a", r.target.String(), "-r", r.dir, "-t", "fullvm")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	r.until("the snapshot", func() bool { return strings.Contains(r.snapshots(), vcb.LeftoverSnapshot) })
	if pids, err := vcb.Orphans(r.dir, r.client.Program); err != nil || len(pids) != 1 || pids[0] != orphan.Process.Pid {
		t.Errorf("orphans %v, %v; want %d", pids, err, orphan.Process.Pid)
	}
	if pids, err := vcb.Orphans(filepath.Dir(r.dir), r.client.Program); err != nil || len(pids) > 0 {
		t.Errorf("of another directory: %v, %v", pids, err)
	}
	if err := r.client.EndOrphans(t.Context(), r.dir); err != nil {
		t.Fatal(err)
	}
	<-ended
	if !r.leftover() {
		t.Error("the snapshot is gone")
	}
	r.vcbFaults()
	r.again(true)
}
