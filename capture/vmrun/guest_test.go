package vmrun

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each argument reaches vmrun as one, whatever it holds; the program stands
// directly behind the .vmx.
func TestRunInGuest(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"runProgramInGuest": {{}}})
	f.GuestUser = "Administrator"
	program := []string{`C:\Program Files\freeze "now".bat`, "", "a b", `"quoted" 'twice'`, ";rm -rf /", "-noWait", "line\nbreak", "\xf6"}
	if err := f.RunInGuest(context.Background(), f.vmx, program[0], program[1:]...); err != nil {
		t.Fatal(err)
	}
	wanted := append([]string{"-T", "ws", "-gu", "Administrator", "-gp", "", "runProgramInGuest", f.vmx}, program...)
	if got := f.lastArgs(); !slices.Equal(got, wanted) {
		t.Errorf("arguments\n%q, want\n%q", got, wanted)
	}
}

// The program may have had its effect: it is not run again, whatever happened.
func TestRunInGuestFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		step   step
		kind   error
		status int
		hint   string
	}{
		{"program failed", fails("Guest program exited with non-zero exit code: 3"), ErrGuestProgram, 3, "in the guest and failed"},
		{"status 0", step{Out: []byte("Error: Guest program exited with non-zero exit code: 3221225786\r\n")}, ErrGuestProgram, 3221225786, "in the guest and failed"},
		{"negative", fails("Guest program exited with non-zero exit code: -1"), ErrGuestProgram, -1, "in the guest and failed"},
		{"login", fails("Invalid user name or password for the guest OS"), ErrGuestLogin, 0, "name and the password"},
		{"no desktop", fails("The specified guest user must be logged in interactively to perform this operation"), ErrGuestLogin, 0, "log that user in"},
		{"Tools", fails("The VMware Tools are not running in the virtual machine: /vm/a.vmx"), ErrTools, 0, "they run its programs"},
		{"off", fails("The virtual machine is not powered on: /vm/a.vmx"), ErrNotRunning, 0, "start the virtual machine"},
		{"passing", fails("The file is already in use"), ErrInUse, 0, "window"},
		{"lost", fails("Cannot connect to the virtual machine"), errAny, 0, "vmrun list"},
		{"no such program", fails("A file was not found"), errAny, 0, "the program in the guest"},
		{"hangs", step{Hang: true}, ErrTimeout, 0, "still runs in the guest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{"runProgramInGuest": {c.step}})
			f.GuestUser, f.GuestPassword = "root", "geheim"
			if c.step.Hang {
				f.Timeouts.Guest = 500 * time.Millisecond
			}
			err := f.RunInGuest(context.Background(), f.vmx, "/usr/sbin/freeze")
			var e *Error
			if !errors.As(err, &e) || !matches(err, c.kind) {
				t.Fatalf("error %v, want %v", err, c.kind)
			}
			if e.GuestStatus != c.status || !strings.Contains(e.Hint(), c.hint) {
				t.Errorf("exit code %d, hint %q", e.GuestStatus, e.Hint())
			}
			if got := f.verbs(); got != "runProgramInGuest" {
				t.Errorf("called %s", got)
			}
		})
	}
}

func TestRunInGuestRefused(t *testing.T) {
	t.Parallel()
	c := &Client{Program: "/no/such/vmrun", HostType: "ws", GuestUser: "root"}
	nobody := &Client{Program: "/no/such/vmrun", HostType: "ws"}
	for _, run := range []error{
		nobody.RunInGuest(context.Background(), "/vm/a.vmx", "/bin/true"),
		c.RunInGuest(context.Background(), "/vm/a.vmx", ""),
		c.RunInGuest(context.Background(), "/vm/a.vmx", "-noWait"),
		c.RunInGuest(context.Background(), "/vm/a.vmx", "/bin/true", "a\x00b"),
	} {
		if run == nil || errors.Is(run, ErrNoProgram) {
			t.Errorf("not refused: %v", run)
		}
	}
	if err := nobody.RunInGuest(context.Background(), "/vm/a.vmx", "/bin/true"); !errors.Is(err, ErrGuestLogin) {
		t.Errorf("without a login: %v", err)
	}
}

func TestToolsState(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"checkToolsState": {
		{Out: []byte("unknown\r\n"), Exit: 254},
		says("Running\n"),
		fails("The VMware Tools are not running in the virtual machine: /vm/a.vmx"),
		says("the tools are running\n"),
	}})
	for i, wanted := range []string{"unknown", "running", "", ""} {
		state, err := f.ToolsState(context.Background(), f.vmx)
		if state != wanted || (err == nil) != (wanted != "") {
			t.Errorf("%d: state %q, %v", i, state, err)
		}
		if i == 2 && !errors.Is(err, ErrTools) {
			t.Errorf("error %v", err)
		}
	}
}
