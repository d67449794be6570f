package capture

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"
)

// machineOf is the VM web of a house, with a journal that has begun.
func machineOf(h *house, vm string) *machine {
	h.Helper()
	r := h.request(Stop)
	j, err := lockVM(r.StateDir, h.path(vm, ".vmx"), 0)
	if err != nil {
		h.Fatal(err)
	}
	if err := j.begin(Intent{VMX: h.path(vm, ".vmx"), Found: Running, Method: Stop, Snapshot: "granary-1", Host: hostName(h.T)}); err != nil {
		h.Fatal(err)
	}
	return &machine{hv: h, vmx: j.intent.VMX, journal: j, log: slog.New(slog.DiscardHandler), step: func(string) {}}
}

func hostName(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// recovered recovers all VMs of a house, by a hypervisor.
func (h *house) recovered(by Hypervisor) []Recovered {
	h.Helper()
	all, err := Recover(h.Context(), RecoverOptions{StateDir: h.request(None).StateDir, Log: slog.New(slog.DiscardHandler),
		Connect: func(map[string]string, string, string) (Hypervisor, Exporter, error) { return by, nil, nil }})
	if err != nil {
		h.Fatal(err)
	}
	return all
}

// A disk that is full, so that the journal cannot be written any more, does not
// keep a guest down.
func TestJournalThatCannotBeWritten(t *testing.T) {
	h := newHouse(t, "web")
	m := machineOf(h, "web")
	defer m.journal.close()
	if _, err := m.stop(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.journal.closeFile(), m.journal.note(stepSnapshot)); err != nil {
		t.Fatal(err)
	}
	m.journal.file.Close()
	m.journal.file = full
	if err := m.snapshot(t.Context()); err == nil {
		t.Error("a snapshot is taken that no journal knows of")
	}
	if err := m.release(t.Context()); err != nil {
		t.Error(err)
	}
	h.asItWas("web")
}

// What is written after a line that could only be written in part stays a line.
func TestJournalAfterATornLine(t *testing.T) {
	state := t.TempDir()
	j := begun(t, state)
	if _, err := j.file.WriteString(`{"step":"sto`); err != nil {
		t.Fatal(err)
	}
	j.torn = true // as a write that failed leaves it
	if err := errors.Join(j.note(stepStop), j.note(stepStopped), j.close()); err != nil {
		t.Fatal(err)
	}
	next, err := lockVM(state, "/vms/web.vmx", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	if !next.has(stepStop) || !next.has(stepStopped) {
		t.Errorf("read %+v", next.steps)
	}
}

// A guest that its owner stops, while granary has not or no longer brought it
// down, stays as its owner wants it.
func TestStoppedByItsOwner(t *testing.T) {
	t.Run("in a hot snapshot", func(t *testing.T) {
		h := newHouse(t, "web")
		h.during["delete web"] = func() error { h.down("web"); return nil }
		if _, err := Capture(t.Context(), h.repo, h.request(Snapshot)); err != nil {
			t.Error(err)
		}
		h.asItWas()
	})
	t.Run("before recovery", func(t *testing.T) {
		h := newHouse(t, "web")
		m := machineOf(h, "web")
		if _, err := m.stop(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(m.snapshot(t.Context()), m.start(t.Context()), m.journal.close()); err != nil {
			t.Fatal(err)
		}
		h.down("web")
		for _, r := range h.recovered(h) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		h.asItWas()
	})
}

// attendedHouse is a house where what a killed granary began is at work on a VM.
type attendedHouse struct {
	*house
	vm    string
	ended chan struct{}
}

func (h attendedHouse) WaitOrphans(ctx context.Context, vmx string) error {
	if nameOf(vmx) != h.vm {
		return nil
	}
	select {
	case <-h.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// What hangs over one VM keeps no other VM down.
func TestRecoveryBesideWhatHangs(t *testing.T) {
	h := newHouse(t, "db", "web")
	for _, vm := range []string{"db", "web"} {
		m := machineOf(h, vm)
		if _, err := m.stop(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if err := m.journal.close(); err != nil {
			t.Fatal(err)
		}
	}
	attended := attendedHouse{h, "db", make(chan struct{})}
	h.during["start web"] = func() error { close(attended.ended); return nil }
	for _, r := range h.recovered(attended) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if want := []string{"stop db", "stop web", "start web", "start db"}; !slices.Equal(h.calls, want) {
		t.Errorf("called %q, want %q", h.calls, want)
	}
	h.asItWas("db", "web")
}

// Whoever only looks at a VM holds its lock for a moment, which makes no capture
// fail.
func TestLockIsWaitedFor(t *testing.T) {
	state := t.TempDir()
	look, err := lockVM(state, "/vms/web.vmx", 0)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond)
		ended <- look.close()
	}()
	j, err := lockVM(state, "/vms/web.vmx", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-ended, j.close()); err != nil {
		t.Error(err)
	}
}
