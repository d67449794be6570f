package vmrun

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What the list says of the machine.
const (
	off = "off"
	on  = "on"
)

// What vmrun does.
var (
	saysInUse     = fails("The file is already in use")
	saysUnknown   = fails("Unknown error")
	saysLost      = fails("Cannot connect to the virtual machine")
	saysNotOn     = fails("The virtual machine is not powered on")
	saysAlreadyOn = fails("The virtual machine should not be powered on. It is already running.")
	saysCanceled  = fails("The operation was canceled")
	saysTools     = fails("The VMware Tools are not running in the virtual machine: /vm/a.vmx")
	hangs         = step{Hang: true}
	succeeds      = step{}
)

// powerCases are what vmrun did and what became of the machine.
var powerCases = []struct {
	name  string
	verb  string
	steps []step
	list  []string // the machine's state at each look
	err   error    // nil is success, errAny a failure of no kind
	calls string
}{
	{"start works again", "start", []step{saysUnknown, succeeds}, []string{off}, nil, "start list start"},
	{"start of a running one", "start", []step{saysAlreadyOn}, nil, nil, "start"},
	{"start that came up", "start", []step{saysLost}, []string{on}, nil, "start list"},
	{"start held up", "start", []step{saysInUse}, []string{off}, ErrInUse, "start list start list start list"},
	{"start with a dialog", "start", []step{saysCanceled}, []string{on}, ErrCanceled, "start"},
	{"start hangs and is listed", "start", []step{hangs}, []string{on}, ErrTimeout, "start"},
	{"stop of one that is off", "stop", []step{saysNotOn}, []string{off}, nil, "list stop"},
	{"stop works again", "stop", []step{saysLost, saysUnknown, succeeds}, []string{on}, nil, "list stop list stop list stop"},
	{"stop fails thrice", "stop", []step{saysUnknown}, []string{on}, errAny, "list stop list stop list stop list"},
	{"stop that went down", "stop", []step{saysUnknown}, []string{on, off}, nil, "list stop list"},
	{"stop hangs but went down", "stop", []step{hangs}, []string{on, off}, nil, "list stop list"},
	{"stop hangs", "stop", []step{hangs}, []string{on}, ErrTimeout, "list stop list"},
	{"stop of another user's", "stop", []step{saysInUse}, []string{off}, ErrInUse, "list stop stop stop"},
	{"stop without Tools", "stop", []step{saysTools}, []string{on}, ErrTools, "list stop list"},
	{"suspend of one that is off", "suspend", []step{saysNotOn}, []string{off}, ErrNotRunning, "list suspend"},
	{"suspend that went down", "suspend", []step{saysLost, saysNotOn}, []string{on, on}, nil, "list suspend list suspend"},
}

func TestPower(t *testing.T) {
	t.Parallel()
	for _, c := range powerCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{})
			s := script{c.verb: c.steps}
			for _, state := range c.list {
				if state == on {
					s["list"] = append(s["list"], lists(f.vmx))
				} else {
					s["list"] = append(s["list"], lists("/vm/other.vmx"))
				}
			}
			f.rewrite(t, s)
			if c.steps[0].Hang {
				f.Timeouts = Timeouts{Start: 800 * time.Millisecond, StopSoft: 800 * time.Millisecond}
			}
			var err error
			switch c.verb {
			case "start":
				err = f.Start(context.Background(), f.vmx)
			case "stop":
				err = f.Stop(context.Background(), f.vmx, Soft)
			case "suspend":
				err = f.Suspend(context.Background(), f.vmx, Soft)
			}
			if !matches(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if got := f.verbs(); got != c.calls {
				t.Errorf("called %s, want %s", got, c.calls)
			}
		})
	}
}

// errAny stands for an *Error that unwraps to nothing.
var errAny = errors.New("any")

func matches(err, wanted error) bool {
	var e *Error
	switch wanted {
	case nil:
		return err == nil
	case errAny:
		return errors.As(err, &e) && e.Unwrap() == nil
	}
	return errors.Is(err, wanted)
}

// A list that cannot be had is no proof that the machine is off.
func TestStopWithoutList(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"stop": {fails("Unknown error")}, "list": {says("???\n")}})
	if err := f.Stop(context.Background(), f.vmx, Hard); err == nil {
		t.Error("the stop passed")
	}
}

// A hanging list does not use up the time of the stop behind it.
func TestStopBehindHangingList(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"stop": {{}}, "list": {{Hang: true}}})
	f.Timeouts = Timeouts{Query: 300 * time.Millisecond, StopSoft: 5 * time.Second}
	if err := f.Stop(context.Background(), f.vmx, Soft); err != nil {
		t.Error(err)
	}
}

func TestQueriesRepeat(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"list": {fails("Unknown error"), fails("The file is already in use"), lists("/vm/a.vmx")}})
	if l, err := f.List(context.Background()); err != nil || len(l) != 1 {
		t.Errorf("list %q, %v", l, err)
	}
	f = newFake(t, script{"list": {fails("Cannot connect to the virtual machine")}})
	if _, err := f.List(context.Background()); !matches(err, errAny) || f.verbs() != "list list list" {
		t.Errorf("error %v after %s", err, f.verbs())
	}
	f = newFake(t, script{"list": {fails("Insufficient permissions in the host operating system")}})
	if _, err := f.List(context.Background()); !errors.Is(err, ErrPermission) || f.verbs() != "list" {
		t.Errorf("error %v after %s", err, f.verbs())
	}
}
