package vmrun

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestSnapshot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		step       step
		look       step
		err        error
		made, sure bool
	}{
		{"failed and not there", fails("Unknown error"), snapshots("base"), errAny, false, false},
		{"failed and there", fails("Unknown error"), snapshots("base", "granary-1"), errAny, true, true},
		{"status 0 and there", step{Out: []byte("Error: The operation was canceled\n")}, snapshots("granary-1 "), ErrCanceled, true, true},
		{"in use", fails("The file is already in use"), snapshots(), ErrInUse, false, true},
		{"independent disks", fails("Cannot take a snapshot with independent disks"), snapshots(), ErrIndependentDisks, false, true},
		{"hung and there", step{Hang: true}, snapshots("granary-1"), ErrTimeout, true, true},
		{"hung and not there yet", step{Hang: true}, snapshots("granary-11"), ErrTimeout, false, false},
		{"not opened", fails("Incorrect password"), fails("Incorrect password"), ErrPassword, false, true},
		{"not opened, it says", fails("Incorrect password"), snapshots("granary-1"), ErrPassword, true, true},
		{"not found", fails("The virtual machine cannot be found"), fails("The virtual machine cannot be found"), ErrNotFound, false, true},
		{"no look", fails("Unknown error"), fails("Insufficient permissions"), errAny, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{"snapshot": {c.step}, "listSnapshots": {c.look}})
			if c.step.Hang {
				f.Timeouts.Snapshot = 800 * time.Millisecond
			}
			err := f.Snapshot(context.Background(), f.vmx, "granary-1")
			var s *SnapshotError
			if !errors.As(err, &s) || !matches(err, c.err) {
				t.Fatalf("error %v", err)
			}
			if s.Made != c.made || s.Sure != c.sure || s.Name != "granary-1" {
				t.Errorf("%+v: %v", *s, err)
			}
			if got := f.verbs(); got != "snapshot listSnapshots" {
				t.Errorf("called %s", got)
			}
		})
	}
}

func TestDeleteSnapshot(t *testing.T) {
	t.Parallel()
	var (
		inUse   = fails("A snapshot operation is in progress")
		unknown = fails("Unknown error")
		gone    = fails("The snapshot does not exist")
		good    = step{}
	)
	const d = "deleteSnapshot"
	for _, c := range []struct {
		name  string
		steps []step
		err   error
		calls string
	}{
		{"works", []step{good}, nil, d},
		{"never there", []step{gone}, ErrNoSnapshot, d},
		{"gone after a failure", []step{unknown, gone}, nil, d + " " + d},
		{"in use for a while", []step{inUse, inUse, inUse, inUse, inUse, good}, nil, d + " " + d + " " + d + " " + d + " " + d + " " + d},
		{"fails thrice", []step{unknown}, errAny, d + " " + d + " " + d},
		{"not unique", []step{fails("The name does not uniquely identify one snapshot")}, ErrAmbiguousSnapshot, d},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{d: c.steps})
			if err := f.DeleteSnapshot(context.Background(), f.vmx, "granary-1"); !matches(err, c.err) {
				t.Errorf("error %v", err)
			}
			if got := f.verbs(); got != c.calls {
				t.Errorf("called %s", got)
			}
		})
	}
}

func TestDeleteSnapshotInUseUntilDeadline(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"deleteSnapshot": {fails("The file is already in use")}})
	f.Timeouts.DeleteSnapshot = time.Second
	began := time.Now()
	err := f.DeleteSnapshot(context.Background(), f.vmx, "granary-1")
	if !errors.Is(err, ErrInUse) && !errors.Is(err, ErrTimeout) {
		t.Errorf("error %v", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}
