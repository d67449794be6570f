package vmrun

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// changes reports whether v changes the machine.
func (v verbCase) changes() bool {
	switch v.name {
	case "version", "list", "listSnapshots", "checkToolsState":
		return false
	}
	return true
}

// Ctrl-C does not tear a change, and does end a look.
func TestCancelDuringCall(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		touched := filepath.Join(t.TempDir(), "touched")
		s := v.works
		s.Touch = touched
		s.Sleep = 500
		if !v.changes() {
			s.Sleep = 60_000
		}
		f := newCase(t, v, s)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- v.call(f, ctx) }()
		for !called(f, v.name) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		began := time.Now()
		err := <-done
		_, statErr := os.Stat(touched)
		if v.changes() {
			if err != nil || statErr != nil {
				t.Errorf("the change was torn: %v, %v", err, statErr)
			}
			return
		}
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrCanceled) || statErr == nil {
			t.Errorf("error %v", err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("went on for %v", d)
		}
	})
}

func called(f *fake, verb string) bool {
	for _, c := range readCalls(f.dir) {
		if c.Verb == verb {
			return true
		}
	}
	return false
}

func TestCancelBeforeCall(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, v.works)
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("interrupt"))
		err := v.call(f, ctx)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if s := (*SnapshotError)(nil); errors.As(err, &s) && (s.Made || !s.Sure) {
			t.Errorf("%+v", *s)
		}
		if got := f.verbs(); got != "" {
			t.Errorf("called %s", got)
		}
	})
}

// The deadline of the context holds for changes too.
func TestDeadlineOfContext(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, step{Hang: true})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := v.call(f, ctx); !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
	})
}

// Between two tries a cancellation is obeyed: nothing is under way.
func TestCancelBetweenTries(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"deleteSnapshot": {fails("The file is already in use")}})
	f.pace.first, f.pace.most = time.Minute, time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.DeleteSnapshot(ctx, f.vmx, "granary-1") }()
	for !called(f, "deleteSnapshot") {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, ErrInUse) {
		t.Errorf("error %v", err)
	}
	if got := f.verbs(); got != "deleteSnapshot" {
		t.Errorf("called %s", got)
	}
}
