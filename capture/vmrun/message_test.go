package vmrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"granary/capture/process"
)

const testVMX = "/vm/independent disk, busy/in progress.vmx"

// messages are the texts that are known of vmrun, and what they mean.
var messages = []struct {
	text      string
	kind      error
	transient bool
}{
	{"The virtual machine is not powered on: " + testVMX, ErrNotRunning, false},
	{"The virtual machine is not powered on: /another/name/of a busy disk.vmx", ErrNotRunning, false},
	{`The virtual machine is not powered on: C:\vm\in use by\a.vmx`, ErrNotRunning, false},
	{"The virtual machine is not powered on", ErrNotRunning, false},
	{"The virtual machine should not be powered on. It is already running.", ErrAlreadyRunning, false},
	{"Cannot open VM: " + testVMX + ", The virtual machine cannot be found", ErrNotFound, false},
	{"Cannot open VM: /a, locked, file is in use/b.vmx, The virtual machine cannot be found", ErrNotFound, false},
	{"Cannot open VM: " + testVMX + ", unknown file suffix", ErrNotFound, false},
	{"Cannot open VM: " + testVMX + ", Cannot read the virtual machine configuration file", nil, false},
	{"Cannot open VM: " + testVMX + ", A password is required for this operation", ErrPassword, false},
	{"Cannot open VM: " + testVMX + ", Incorrect password", ErrPassword, false},
	{"Cannot open VM: " + testVMX + ", The file is already in use", ErrInUse, true},
	{"The file is already in use", ErrInUse, true},
	{"A snapshot operation is already in progress", ErrInUse, true},
	{"One or more of the disks are busy", ErrInUse, true},
	{"Failed to lock the file", ErrInUse, true},
	{"The snapshot does not exist", ErrNoSnapshot, false},
	{"The name does not uniquely identify one snapshot", ErrAmbiguousSnapshot, false},
	{"Cannot take a snapshot of a powered-on virtual machine with independent disks", ErrIndependentDisks, false},
	{"The operation was canceled", ErrCanceled, false},
	{"THE OPERATION WAS CANCELLED", ErrCanceled, false},
	{"Cannot connect to the virtual machine", nil, true},
	{"Unknown error", nil, true},
	{"The VMware Tools are not running in the virtual machine: " + testVMX, ErrTools, false},
	{"Invalid user name or password for the guest OS", ErrGuestLogin, false},
	{"The specified guest user must be logged in interactively to perform this operation", ErrGuestLogin, false},
	{"Authentication failure or insufficient permissions in guest operating system", ErrGuestLogin, false},
	{"Invalid user name or password", ErrPassword, false},
	{"Guest program exited with non-zero exit code: 3", ErrGuestProgram, false},
	{"Cannot take a memory snapshot, since the virtual machine is configured with independent disks", ErrIndependentDisks, false},
	{"There is not enough space on the file system for the selected operation", ErrNoSpace, false},
	{"The file system is full", ErrNoSpace, false},
	{"Too many snapshots", nil, false},
	{"The parent virtual disk has been modified since the child was created", nil, false},
	{"Authentication for encrypted virtual machine failed", ErrPassword, false},
	{"Insufficient permissions in the host operating system", ErrPermission, false},
	{"The operation is not supported for the specified parameters", nil, false},
	{"The operation timed out", ErrTimeout, false},
	{"The operation is blocked by policy", nil, false},
	{"Die virtuelle Maschine ist nicht eingeschaltet", nil, false},
}

func TestMessages(t *testing.T) {
	t.Parallel()
	dress := map[string]string{
		"plain": "Error: %s\n",
		"CRLF":  "Error: %s\r\n",
		"bare":  "Error: %s",
		"upper": "ERROR:%s\n",
		"noise": "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119\n\nUnable to connect to host.\n  Error: %s  \nmore\n",
		"two":   "Error: %s\nError: The operation failed\n",
	}
	for _, m := range messages {
		for name, format := range dress {
			for _, status := range []int{0, 255, 4294967295} {
				e := new(Client).failure("stop", testVMX, process.Result{Stdout: fmt.Sprintf(format, m.text), Status: status})
				if e == nil {
					t.Fatalf("%s: %q passed", name, m.text)
				}
				if e.Message != m.text || e.Unwrap() != m.kind || e.transient != m.transient || e.Status != status {
					t.Errorf("%s, status %d: %q is %q, %v, transient %v", name, status, m.text, e.Message, e.Unwrap(), e.transient)
				}
			}
		}
	}
}

// A message that says nothing does not hide the one behind it.
func TestSecondMessageCounts(t *testing.T) {
	t.Parallel()
	e := new(Client).failure("start", testVMX, process.Result{Stdout: "Error: Es ging nicht\nError: The file is already in use\n"})
	if e.Message != "Es ging nicht" || !errors.Is(e, ErrInUse) {
		t.Errorf("%v, %v", e, e.Unwrap())
	}
}

// The usage text holds every word there is.
func TestUsageIsNoReason(t *testing.T) {
	t.Parallel()
	usage := "\nvmrun version 1.17.0\n\nUsage: vmrun\n -p <password: in host OS>\n timeout, busy, in progress\n\nExamples:\n"
	if e := new(Client).failure("start", testVMX, process.Result{Stdout: usage, Status: 255}); e.Unwrap() != nil {
		t.Errorf("taken for %v", e.Unwrap())
	}
}

func TestErrorNamesMachineOnce(t *testing.T) {
	t.Parallel()
	e := new(Client).failure("stop", testVMX, process.Result{Stdout: "Error: " + messages[0].text, Status: 255})
	if got := e.Error(); got != "vmrun stop "+testVMX+": The virtual machine is not powered on" {
		t.Error(got)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	kinds := []error{ErrTimeout, ErrCanceled, ErrNotRunning, ErrAlreadyRunning, ErrNotFound, ErrInUse, ErrTools,
		ErrNoSnapshot, ErrAmbiguousSnapshot, ErrIndependentDisks, ErrPassword, ErrPermission, ErrNoProgram,
		ErrGuestProgram, ErrGuestLogin, ErrNoSpace, ErrNoDatastore}
	seen := map[string]error{}
	for _, kind := range kinds {
		h := (&Error{Verb: "start", VMX: "/vm/a/a.vmx", kind: kind}).Hint()
		if h == "" || strings.Contains(h, "\n") {
			t.Errorf("%v: hint %q", kind, h)
		}
		if other, ok := seen[h]; ok && other != ErrTimeout {
			t.Errorf("%v and %v share a hint", kind, other)
		}
		seen[h] = kind
	}
	dialog := (&Error{Verb: "start", VMX: "/vm/a\nb/a.vmx", kind: ErrCanceled}).Hint()
	for _, part := range []string{`msg.autoAnswer = "TRUE"`, "Msg_Post", "vmware.log"} {
		if !strings.Contains(dialog, part) || strings.Contains(dialog, "\n") {
			t.Errorf("hint %q lacks %s", dialog, part)
		}
	}
}

// What an operator can only mend with a hint of its own.
func TestHintsOfMessages(t *testing.T) {
	t.Parallel()
	for text, part := range map[string]string{
		"Unknown error": "vmrun list",
		"The operation is not supported for the specified parameters":                        "host type",
		"Unable to connect to host.":                                                         "host type",
		"Cannot open VM: /vm/a.vmx, Cannot read the virtual machine configuration file":      ".vmx is readable",
		"The parent virtual disk has been modified since the child was created":              "restore the parent disk",
		"Es ging nicht (VIX error code: 16008)":                                              "restore the parent disk",
		"Too many snapshots":                                                                 "as many snapshots",
		"Es ging nicht (VIX error code: 13019)":                                              "as many snapshots",
		"A snapshot with the name already exists":                                            "this name already",
		"The specified guest user must be logged in interactively to perform this operation": "log that user in",
		"A file was not found":                                                               "a file is missing",
	} {
		e := new(Client).failure("snapshot", "/vm/a.vmx", process.Result{Stdout: "Error: " + text + "\n", Status: 255})
		if !strings.Contains(e.Hint(), part) {
			t.Errorf("%q: hint %q lacks %q", text, e.Hint(), part)
		}
	}
}

// VIX codes say the same in any language, and more than words.
func TestCodes(t *testing.T) {
	t.Parallel()
	for code, kind := range map[int]error{8: ErrNoSpace, 10: ErrCanceled, 13: ErrPermission, 15: ErrInUse,
		3000: ErrTools, 3006: ErrNotRunning, 3007: ErrAlreadyRunning, 3015: ErrGuestLogin, 3016: ErrTools, 3027: ErrGuestLogin,
		4000: ErrNotFound, 13003: ErrNoSnapshot, 13010: ErrInUse, 13014: ErrInUse, 13016: ErrIndependentDisks,
		13017: ErrAmbiguousSnapshot, 13018: ErrIndependentDisks, 13020: ErrNoSpace, 99999: nil} {
		for _, text := range []string{"Es ging nicht (VIX error code: %d)", "Es ging nicht, VIX %d", "Unbekannt: VIX_ERROR, Error code: %d"} {
			text = fmt.Sprintf(text, code)
			e := new(Client).failure("snapshot", testVMX, process.Result{Stdout: "Error: " + text + "\n"})
			if e.Unwrap() != kind || e.transient != (kind == ErrInUse) {
				t.Errorf("%s: %v, transient %v", text, e.Unwrap(), e.transient)
			}
		}
	}
	both := new(Client).failure("stop", testVMX, process.Result{Stdout: "Error: Unknown error (VIX error code: 3006)\n"})
	if both.Unwrap() != ErrNotRunning {
		t.Errorf("the words won: %v", both.Unwrap())
	}
}

// A path of several lines, or one that looks like a message, is no reason.
func TestPathIsNoReason(t *testing.T) {
	t.Parallel()
	for _, vmx := range []string{"/vm/a\nError: The file is already in use/web.vmx", "/vm/a\rb, busy/web.vmx", "/vm/\xf6 VIX error code: 8/web.vmx"} {
		for reason, kind := range map[string]error{
			"Error: The virtual machine is not powered on: " + vmx:                            ErrNotRunning,
			"Error: Cannot open VM: " + vmx + ", The virtual machine cannot be found":         ErrNotFound,
			"Error: The VMware Tools are not running in the virtual machine: " + vmx + "\r\n": ErrTools,
		} {
			e := new(Client).failure("stop", vmx, process.Result{Stdout: reason, Status: 255})
			if e.Unwrap() != kind {
				t.Errorf("%q is %v", reason, e.Unwrap())
			}
			if text := e.Error(); strings.ContainsAny(text, "\r\n") || !utf8.ValidString(text) || strings.Count(text, "web.vmx") > 2 {
				t.Errorf("error %q", text)
			}
		}
	}
}

func TestPasswordsStayHidden(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := newFake(t, script{"list": {lists()}, "stop": {
		{Out: []byte("debug: login with hunter2\nError: Unknown error for hunter2-g/hunter2/s3cr\xe9t\n"), Err: []byte("s3cr\xe9t\n"), Exit: 255}}})
	f.HostType, f.Host, f.User = "server", "host", "root"
	f.Password, f.VMPassword, f.GuestPassword = "hunter2", "s3cr\xe9t", "hunter2-g"
	f.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	err := f.Stop(context.Background(), f.vmx, Soft)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	f.Log.Info("client", "value", *f.Client, "pointer", f.Client)
	shown := fmt.Sprintf("%v %+v %#v %v %+v %#v %s", err, *e, *e, f.Client, *f.Client, *f.Client, log.String())
	for _, secret := range []string{"hunter2", "s3cr", "-g/"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s shows in %s", secret, shown)
		}
	}
	if !strings.Contains(log.String(), "-vp "+process.Redacted) || !strings.Contains(e.Output, "login with "+process.Redacted) {
		t.Errorf("log %s\noutput %s", log.String(), e.Output)
	}
}
