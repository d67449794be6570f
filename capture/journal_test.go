package capture

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func begun(t *testing.T, state string) *journal {
	t.Helper()
	j, err := lockVM(state, "/vms/web.vmx", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.begin(Intent{VMX: "/vms/web.vmx", Found: Running, Snapshot: "granary-1"}); err != nil {
		t.Fatal(err)
	}
	return j
}

// A journal tells the next process what was asked for and not confirmed.
func TestJournalRemembers(t *testing.T) {
	state := t.TempDir()
	j := begun(t, state)
	for _, s := range []Step{stepStop, stepStopped, stepSnapshot} {
		if err := j.note(s); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lockVM(state, "/vms/web.vmx", 0); !errors.Is(err, ErrBusy) {
		t.Errorf("a second lock: %v", err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	next, err := lockVM(state, "/vms/web.vmx", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	if !next.pending() || next.intent.Snapshot != "granary-1" {
		t.Errorf("read %+v", next.intent)
	}
	if _, open := next.unconfirmed(stepStop, stepStopped); open {
		t.Error("a stop that succeeded is unconfirmed")
	}
	if at, open := next.unconfirmed(stepSnapshot, stepSnapshotted); !open || time.Since(at) > time.Minute {
		t.Errorf("the snapshot is unconfirmed: %t, at %v", open, at)
	}
	if err := next.note(stepSnapshot.failed()); err != nil {
		t.Fatal(err)
	}
	if _, open := next.unconfirmed(stepSnapshot, stepSnapshotted); open {
		t.Error("a snapshot that failed for certain is unconfirmed")
	}
	if err := next.remove(); err != nil {
		t.Fatal(err)
	}
	if waiting, err := Pending(state); err != nil || len(waiting) > 0 {
		t.Errorf("Pending = %q, %v", waiting, err)
	}
}

// A power cut tears the last line: what it said was not done, what stands
// before it holds, and the journal goes on.
func TestTornJournal(t *testing.T) {
	state := t.TempDir()
	j := begun(t, state)
	if err := j.note(stepStop); err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		if err := os.WriteFile(j.path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		next, err := lockVM(state, "/vms/web.vmx", 0)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if next.pending() {
			if err := next.note(stepStart); err != nil {
				t.Fatal(err)
			}
		}
		if err := next.close(); err != nil {
			t.Fatal(err)
		}
		again, err := lockJournal(filepath.Join(state, journalsDir, filepath.Base(j.path)), 0)
		if err != nil {
			t.Fatalf("cut at %d, read again: %v", cut, err)
		}
		if again.pending() && !again.has(stepStart) {
			t.Errorf("cut at %d: what was written after the torn line is lost", cut)
		}
		if err := again.remove(); err != nil {
			t.Fatal(err)
		}
		if err := again.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An export writes to the journal while its guest is started: no step is lost.
func TestJournalOfTwoAtOnce(t *testing.T) {
	state := t.TempDir()
	j := begun(t, state)
	const each = 50
	var both errgroup.Group
	for _, step := range []Step{stepExport, stepStart} {
		both.Go(func() error {
			for range each {
				if err := j.note(step); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := errors.Join(both.Wait(), j.close()); err != nil {
		t.Fatal(err)
	}
	next, err := lockVM(state, "/vms/web.vmx", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer next.close()
	if len(j.steps) != 1+2*each || len(next.steps) != len(j.steps) {
		t.Errorf("%d steps in memory, %d on disk", len(j.steps), len(next.steps))
	}
}
