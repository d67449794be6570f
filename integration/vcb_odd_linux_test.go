package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"granary/capture/vcb"
	"granary/integration/lab"
	"granary/integration/standin"
)

// Where vmrun and vcbMounter were told of different VMs, the one that is stopped
// is not the one that is exported: a guest that ran is not recorded as clean.
func TestExportOfAnotherVM(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"stop-snapshot", "stop"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, exportMethodNamed(method))
			other := h.makeVM(lab.Spec{Name: "db"})
			h.start(other)
			o := h.granary(h.arguments("name:db")...)
			if o.status != 1 {
				t.Errorf("exit status %d\n%s%s", o.status, o.stdout, o.stderr)
			}
			if n := h.generations(); n > 0 {
				t.Errorf("%d generations of a running guest", n)
			}
			h.asFound()
		})
	}
}

// A guest that somebody starts between the stop and the export's snapshot ran
// when its disks were frozen: its generation is neither clean nor offline.
func TestStartedBeforeItsExport(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"stop", "stop-snapshot", "none"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, exportMethodNamed(method))
			h.setMounter("", exportFault(standin.Fault{DelayBefore: "2s"}))
			done := make(chan outcome, 1)
			go func() { done <- h.granary(h.arguments("name:web")...) }()
			if err := eventually(t.Context(), "an export", func() bool { return len(h.called("vcbMounter")) == 2 }); err != nil {
				t.Error(err)
			}
			h.onHost("start")
			o := <-done
			if o.status == 1 {
				return // it was refused
			}
			var c captured
			if err := json.Unmarshal([]byte(o.stdout), &c); err != nil {
				t.Fatalf("%v:\n%s", err, o.stdout)
			}
			if c.Consistency != "crash" {
				t.Errorf("recorded as %q\n%s", c.Consistency, o.stderr)
			}
		})
	}
}

// With stop-snapshot an export whose snapshot never comes does not keep the
// guest down until the export's own deadline, which is meant for whole disks:
// the deadline of a snapshot ends the wait.
func TestSnapshotThatNeverComes(t *testing.T) {
	t.Parallel()
	h := newExportHost(t, exportMethodNamed("stop-snapshot"))
	h.setMounter("", exportFault(standin.Fault{Do: standin.Hang}))
	var said bytes.Buffer
	cmd := h.command("granary", h.arguments("name:web", "--deadline", "export=10m", "--deadline", "snapshot=1s")...)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := eventually(t.Context(), "the guest is started again", func() bool { return len(h.called("start")) == 2 }); err != nil {
		t.Error(err)
		_ = cmd.Process.Signal(syscall.SIGINT)
	}
	h.endsWith(cmd, 1, &said)
	h.asFound()
}

// endsWith waits for the end of a program, and checks its exit status.
func (w *world) endsWith(cmd *exec.Cmd, status int, said *bytes.Buffer) {
	w.Helper()
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its status tells
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		<-ended
		w.Errorf("it does not end\n%s", said)
		return
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		w.Errorf("exit status %d, want %d\n%s", got, status, said)
	}
}

// An unmount that hangs ends at its deadline, in a capture, and after one that
// was killed meanwhile: no other VM's backup waits for it for ever.
func TestUnmountHangs(t *testing.T) {
	t.Parallel()
	h := newExportHost(t, exportMethodNamed("snapshot"))
	args := h.arguments("name:web", "--deadline", "unmount=1s")
	hang := standin.VCBFault{Fault: standin.Fault{Verb: "unmount", Do: standin.Hang}}
	h.setMounter("", hang)
	h.exported(h.must(args...))
	h.asFound()

	cmd := h.command("granary", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	unmounts := len(h.called("vcbMounter"))
	if err := eventually(t.Context(), "an unmount", func() bool {
		calls := h.called("vcbMounter")
		return len(calls) > unmounts && isUnmount(calls[len(calls)-1])
	}); err != nil {
		t.Error(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	var said bytes.Buffer
	recovery := h.command("granary", "recover")
	recovery.Stderr = &said
	if err := recovery.Start(); err != nil {
		t.Fatal(err)
	}
	h.endsWith(recovery, 0, &said)
	h.asFound()
}

// Without vmrun, vcbVmName and vcbSnapshot nobody sees a snapshot that is left:
// then the operator is told to look for it.
func TestLeftoverThatNobodySees(t *testing.T) {
	t.Parallel()
	h := newExportHost(t, exportMethodNamed("snapshot without vmrun"))
	if err := os.Symlink(filepath.Join(bin, "vcbMounter"), h.path("vcbMounter")); err != nil {
		t.Fatal(err)
	}
	args := h.arguments("name:web", "--vcbmounter", h.path("vcbMounter"))
	h.exported(h.must(args...))
	h.setMounter("", exportFault(standin.Fault{Do: standin.Die, At: standin.Midway}))
	o := h.granary(args...)
	h.ended(o, 1, exportFailed("it ended with signal: killed and said nothing"), "")
	if !strings.Contains(o.stderr, "_VCB-BACKUP_") {
		t.Errorf("it does not tell of the snapshot that is left:\n%s", o.stderr)
	}
	h.setMounter("")
	o = h.granary(append(args, "--delete-vcb-snapshot")...)
	h.ended(o, 1, "vcbVmName|vcbSnapshot", "install vcbVmName and vcbSnapshot")
	h.onHost("deleteSnapshot", vcb.LeftoverSnapshot)
	h.asFound()
}

// An interrupted export ends at once: there is no generation, and when granary
// returns the VM is as it was found.
func TestExportInterrupted(t *testing.T) {
	t.Parallel()
	for _, method := range exportMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			h := newExportHost(t, method)
			for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
				h.setMounter("", exportFault(standin.Fault{Do: standin.Hang, At: standin.Midway}))
				var said bytes.Buffer
				cmd := h.command("granary", h.arguments("name:web")...)
				cmd.Stderr = &said
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if err := h.exportBegins(); err != nil {
					t.Error(err)
				}
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				h.endsWith(cmd, 1, &said)
				h.asFound()
				if n := h.generations(); n > 0 {
					t.Errorf("%d generations", n)
				}
			}
		})
	}
}
