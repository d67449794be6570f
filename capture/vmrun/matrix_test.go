package vmrun

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// verbCase is one verb as a caller sees it.
type verbCase struct {
	name  string // vmrun's command
	argv  []string
	works step // what a vmrun prints that succeeds
	call  func(*fake, context.Context) error
}

var verbCases = []verbCase{
	{"version", nil, says("\nvmrun version 1.17.0 build-12990004\n\nUsage: vmrun ...\n"), func(f *fake, ctx context.Context) error {
		v, err := f.Version(ctx)
		return want(err, v, "1.17.0 build-12990004")
	}},
	{"list", []string{}, says("Total running VMs: 1\n/vm/a.vmx\n"), func(f *fake, ctx context.Context) error {
		l, err := f.List(ctx)
		return want(err, strings.Join(l, "|"), "/vm/a.vmx")
	}},
	{"start", []string{"nogui"}, step{}, func(f *fake, ctx context.Context) error { return f.Start(ctx, f.vmx) }},
	{"stop", []string{"soft"}, step{}, func(f *fake, ctx context.Context) error { return f.Stop(ctx, f.vmx, Soft) }},
	{"suspend", []string{"hard"}, step{}, func(f *fake, ctx context.Context) error { return f.Suspend(ctx, f.vmx, Hard) }},
	{"snapshot", []string{"granary-1"}, step{}, func(f *fake, ctx context.Context) error { return f.Snapshot(ctx, f.vmx, "granary-1") }},
	{"listSnapshots", []string{}, says("Total snapshots: 2\nbase\n the second\n"), func(f *fake, ctx context.Context) error {
		l, err := f.Snapshots(ctx, f.vmx)
		return want(err, strings.Join(l, "|"), "base| the second")
	}},
	{"deleteSnapshot", []string{"granary-1"}, step{}, func(f *fake, ctx context.Context) error { return f.DeleteSnapshot(ctx, f.vmx, "granary-1") }},
	{"checkToolsState", []string{}, says("installed\n"), func(f *fake, ctx context.Context) error {
		s, err := f.ToolsState(ctx, f.vmx)
		return want(err, s, "installed")
	}},
	{"runProgramInGuest", []string{`C:\freeze it.bat`, "a b", `"c"`}, step{}, func(f *fake, ctx context.Context) error {
		f.GuestUser = "guest"
		return f.RunInGuest(ctx, f.vmx, `C:\freeze it.bat`, "a b", `"c"`)
	}},
}

func want(err error, got, wanted string) error {
	if err == nil && got != wanted {
		return errors.New("answer " + got)
	}
	return err
}

// newCase is a fake in which v's verb does s, and what is asked beside works.
func newCase(t *testing.T, v verbCase, s step) *fake {
	t.Helper()
	all := script{"list": {lists()}, "listSnapshots": {snapshots()}}
	all[v.name] = []step{s}
	return newFake(t, all)
}

func eachVerb(t *testing.T, test func(t *testing.T, v verbCase)) {
	for _, v := range verbCases {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			test(t, v)
		})
	}
}

func TestVerbWorks(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, v.works)
		if err := v.call(f, context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestVerbWorksWithNoiseAndCRLF(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		s := v.works
		s.Out = append([]byte("2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119\n"), s.Out...)
		s.Out = []byte(strings.ReplaceAll(string(s.Out), "\n", "\r\n"))
		s.Err = []byte("Gtk-Message: Failed to load module\n")
		f := newCase(t, v, s)
		if err := v.call(f, context.Background()); err != nil {
			t.Fatal(err)
		}
	})
}

// What vmrun starts keeps its pipes open; the call ends all the same.
func TestVerbWorksWithGrandchild(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		s := v.works
		s.Grandchild = true
		f := newCase(t, v, s)
		began := time.Now()
		if err := v.call(f, context.Background()); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 15*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestVerbHangs(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, step{Out: []byte("working...\n"), Hang: true, Grandchild: true})
		const short = 700 * time.Millisecond
		f.Timeouts = Timeouts{Start: short, StopSoft: short, Suspend: short, Snapshot: short, DeleteSnapshot: short, Guest: short}
		if v.name == "version" || v.name == "list" || v.name == "listSnapshots" || v.name == "checkToolsState" {
			f.Timeouts.Query = short
		}
		err := v.call(f, context.Background())
		if !errors.Is(err, ErrTimeout) {
			t.Fatalf("error %v", err)
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint(), `msg.autoAnswer = "TRUE"`) || !strings.Contains(e.Hint(), "Msg_Post") {
			t.Errorf("hint %q", e.Hint())
		}
		if e.Verb != v.name || e.Status != -1 || e.Message != "no answer within "+short.String() {
			t.Errorf("verb %q, status %d, %q", e.Verb, e.Status, e.Message)
		}
		checkGroupGone(t, f)
	})
}

// A prompt meets the end of the input instead of hanging.
func TestVerbPrompts(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, step{Prompt: true, Exit: 255})
		if err := v.call(f, context.Background()); !errors.Is(err, ErrPassword) {
			t.Fatalf("error %v", err)
		}
	})
}

// failing is how one failure is printed by one vmrun or another.
var failing = []struct {
	name string
	step step
	kind error
	text string
}{
	{"plain", fails("The file is already in use"), ErrInUse, "The file is already in use"},
	{"status 0", step{Out: []byte("Error: Insufficient permissions in the host operating system\n")}, ErrPermission, "Insufficient permissions in the host operating system"},
	{"CRLF", step{Out: []byte("Error: A password is required for this operation\r\n"), Exit: 255}, ErrPassword, "A password is required for this operation"},
	{"noise", step{Out: []byte("2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119\nUnable to connect to host.\nError: The operation was canceled\n"), Exit: 255}, ErrCanceled, "The operation was canceled"},
	{"stderr", step{Err: []byte("Error: The operation was canceled\n"), Exit: 1}, ErrCanceled, "The operation was canceled"},
	{"not UTF-8", step{Out: []byte("Error: Die Datei geh\xf6rt jemandem\n"), Exit: 255}, nil, "Die Datei geh\uFFFDrt jemandem"},
	{"no Error line", step{Err: []byte("vmrun: error while loading shared libraries: libz.so\n"), Exit: 127}, nil, "vmrun: error while loading shared libraries: libz.so"},
	{"silent", step{Exit: 3}, nil, "it ended with exit status 3 and said nothing"},
}

func TestVerbFails(t *testing.T) {
	t.Parallel()
	for _, c := range failing {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachVerb(t, func(t *testing.T, v verbCase) {
				f := newCase(t, v, c.step)
				if v.name == "deleteSnapshot" {
					// It would try for hours while the machine is in use.
					f.Timeouts.DeleteSnapshot, f.pace.first, f.pace.most = time.Minute, time.Hour, time.Hour
				}
				err := v.call(f, context.Background())
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("error %v", err)
				}
				if e.Unwrap() != c.kind || e.Message != c.text {
					t.Errorf("got %q, %v; want %q, %v", e.Message, e.Unwrap(), c.text, c.kind)
				}
				if !utf8.ValidString(e.Message) || !utf8.ValidString(e.Output) || !utf8.ValidString(err.Error()) {
					t.Errorf("not UTF-8: %q", err)
				}
				if e.Verb != v.name || e.Status != c.step.Exit {
					t.Errorf("verb %q, status %d", e.Verb, e.Status)
				}
				// The machine lies in "busy, in use": its path must not be
				// taken for a reason.
				if v.argv != nil && v.name != "list" && !strings.Contains(err.Error(), f.vmx) {
					t.Errorf("error without the .vmx: %v", err)
				}
			})
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		f := newCase(t, v, v.works)
		f.HostType, f.Host, f.Port, f.User = "server", "host.example", 8333, "root"
		f.Password, f.VMPassword, f.GuestUser, f.GuestPassword = "p w", "v w", "guest", "g w"
		if err := v.call(f, context.Background()); err != nil {
			t.Fatal(err)
		}
		wanted := []string{"-T", "server", "-h", "https://host.example:8333/sdk", "-u", "root", "-p", "p w"}
		switch v.name {
		case "version":
			wanted = []string{}
		case "list":
			wanted = append(wanted, "list")
		case "runProgramInGuest":
			wanted = append(wanted, "-vp", "v w", "-gu", "guest", "-gp", "g w", v.name, f.vmx)
		default:
			wanted = append(wanted, "-vp", "v w", v.name, f.vmx)
		}
		wanted = append(wanted, v.argv...)
		calls := readCalls(f.dir)
		got := calls[len(calls)-1]
		if !slices.Equal(got.Args, wanted) {
			t.Errorf("arguments\n%q, want\n%q", got.Args, wanted)
		}
		if got.Dir != "/" && filepath.Separator == '/' {
			t.Errorf("run in %s", got.Dir)
		}
	})
}

func TestArgumentsBare(t *testing.T) {
	f := newFake(t, script{"stop": {{}}, "list": {lists()}})
	t.Chdir(filepath.Dir(f.vmx))
	if err := f.Stop(context.Background(), "web.vmx", Hard); err != nil {
		t.Fatal(err)
	}
	calls := readCalls(f.dir)
	wanted := []string{"-T", "ws", "stop", f.vmx, "hard"}
	if got := calls[len(calls)-1].Args; !slices.Equal(got, wanted) {
		t.Errorf("arguments %q, want %q", got, wanted)
	}
}
