package vcb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"granary/capture/process"
)

var web = Target{ByName, "web"}

// verbs are the methods that run a program, with the program, or the use of it,
// whose failure each shows.
var verbs = []struct {
	name, use string
	call      func(*fake, context.Context) error
}{
	{verbVersion, mounter, func(f *fake, ctx context.Context) error { _, err := f.Version(ctx); return err }},
	{verbExport, mounter, func(f *fake, ctx context.Context) error { return f.Export(ctx, web, f.dir) }},
	{verbUnmount, mounter + " -U", func(f *fake, ctx context.Context) error { return f.Unmount(ctx, f.dir) }},
	{verbFind, nameFinder, func(f *fake, ctx context.Context) error { _, err := f.Leftover(ctx, web); return err }},
	{verbFind, snapshotTool, func(f *fake, ctx context.Context) error { _, err := f.Leftover(ctx, web); return err }},
	{verbDelete, snapshotTool + " -d", func(f *fake, ctx context.Context) error { return f.DeleteLeftover(ctx, web) }},
}

// working is a script in which all succeeds.
func working() script {
	return script{
		mounter:      {Out: "VMware Consolidated Backup, version 1.5.0 build-150805\n", Export: true},
		nameFinder:   {Out: "moref:vm-16\nname:web\n"},
		snapshotTool: {Out: "SsId:4\n"},
	}
}

// eachVerb tests each verb with a fake whose program does s.
func eachVerb(t *testing.T, s step, test func(t *testing.T, f *fake, verb, program string, call func(context.Context) error)) {
	for _, v := range verbs {
		t.Run(v.name+" by "+v.use, func(t *testing.T) {
			t.Parallel()
			steps := working()
			steps[v.use] = s
			f := newFake(t, steps)
			program, _, _ := strings.Cut(v.use, " ")
			test(t, f, v.name, program, func(ctx context.Context) error { return v.call(f, ctx) })
		})
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	f := newFake(t, working())
	f.Host, f.Port, f.User, f.Password = "esx1.example", 902, "root", "p w"
	f.Mode, f.Monolithic, f.LogLevel = "nbdssl", true, 6
	login := []string{"-h", "esx1.example:902", "-u", "root", "-p", "p w"}
	wanted := [][]string{
		append(append([]string{mounter}, login...), "-a", "name:web", "-r", f.dir, "-t", "fullvm", "-m", "nbdssl", "-M", "1", "-F", "1", "-L", "6"),
		append(append([]string{mounter}, login...), "-U", f.dir),
		append(append([]string{nameFinder}, login...), "-s", "name:web"),
		append(append([]string{snapshotTool}, login...), "-f", "moref:vm-16", LeftoverSnapshot),
		append(append([]string{snapshotTool}, login...), "-d", "moref:vm-16", "SsId:4"),
		{mounter},
	}
	ctx := t.Context()
	version, versionErr := f.exportUnmountDelete(ctx)
	if versionErr != nil || version != "1.5.0 build-150805" {
		t.Fatalf("%q, %v", version, versionErr)
	}
	if got := f.calls(t); !reflect.DeepEqual(got, wanted) {
		t.Errorf("calls\n%q, want\n%q", got, wanted)
	}
}

// exportUnmountDelete makes every kind of call once.
func (f *fake) exportUnmountDelete(ctx context.Context) (string, error) {
	err := errors.Join(f.Export(ctx, web, f.dir), f.Unmount(ctx, f.dir), f.DeleteLeftover(ctx, web))
	version, versionErr := f.Version(ctx)
	return version, errors.Join(err, versionErr)
}

// The zero values leave everything to vcbMounter's own configuration.
func TestArgumentsBare(t *testing.T) {
	t.Parallel()
	f := newFake(t, working())
	if err := f.Export(t.Context(), Target{ByMoRef, "vm-16"}, f.dir); err != nil {
		t.Fatal(err)
	}
	wanted := [][]string{{mounter, "-a", "moref:vm-16", "-r", f.dir, "-t", "fullvm"}}
	if got := f.calls(t); !reflect.DeepEqual(got, wanted) {
		t.Errorf("calls %q, want %q", got, wanted)
	}
	if got := (&Client{Host: "::1", Port: 443}).args(); got[1] != "[::1]:443" {
		t.Errorf("host %q", got)
	}
}

// What a machine is called reaches the programs as it is.
func TestHostileTargets(t *testing.T) {
	t.Parallel()
	for _, value := range []string{" ", "-r", "a b", `"'`, "; rm -rf /", "$(id)", "Grüße", "caf\xe9", "a:b", strings.Repeat("x", 200), "tab\there"} {
		f := newFake(t, working())
		target, err := ParseTarget("name:" + value)
		if err == nil {
			err = f.Export(t.Context(), target, f.dir)
		}
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if got := f.calls(t); got[0][2] != "name:"+value {
			t.Errorf("arguments %q", got)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "web", ":web", "Name:web", "any:", "powerstate:on", "name:", "name:a\nb", "uuid:a\x00", "moref:a\r"} {
		if target, err := ParseTarget(text); err == nil {
			t.Errorf("%q is %+v", text, target)
		}
		kind, value, _ := strings.Cut(text, ":")
		f := newFake(t, working())
		if err := f.Export(t.Context(), Target{kind, value}, f.dir); err == nil || f.calls(t) != nil {
			t.Errorf("exported %q: %v", text, err)
		}
	}
}

func TestProgramHangs(t *testing.T) {
	t.Parallel()
	eachVerb(t, step{Hang: true}, func(t *testing.T, f *fake, verb, program string, call func(context.Context) error) {
		const short = 700 * time.Millisecond
		f.Timeouts = Timeouts{Export: short, Unmount: short, Query: short, DeleteSnapshot: short}
		err := call(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.Unwrap() != ErrTimeout || e.Status != -1 || e.Hint() == "" {
			t.Fatalf("error %v", err)
		}
		if verb == verbExport && !strings.Contains(err.Error(), LeftoverSnapshot) {
			t.Errorf("error without what may be left: %v", err)
		}
		left, findErr := process.Find(func(argv []string, _ func() (string, error)) bool {
			return argv[0] == filepath.Join(f.home, program)
		})
		if findErr != nil || len(left) > 0 {
			t.Errorf("processes %v are left, %v", left, findErr)
		}
	})
}

// A prompt meets the end of the input instead of hanging.
func TestProgramPrompts(t *testing.T) {
	t.Parallel()
	eachVerb(t, step{Prompt: true, Exit: 1}, func(t *testing.T, f *fake, _, _ string, call func(context.Context) error) {
		err := call(t.Context())
		var e *Error
		if !errors.Is(err, ErrLogin) || !errors.As(err, &e) || !strings.Contains(e.Hint(), "backuptools.conf") {
			t.Errorf("error %v", err)
		}
	})
}

// failing is how one failure is printed.
var failing = []struct {
	name string
	step step
	kind error
	text string
}{
	{"log line", step{Out: "[2007-08-07 12:29:43.798 'BlockList' 2052 error] Your ESX server needs to be upgraded\n", Exit: 1}, nil, "Your ESX server needs to be upgraded"},
	{"status 0", step{Out: "[2007-08-07 12:29:43.798 'App' 2052 error] Error: Disk is full\r\n"}, ErrNoSpace, "Disk is full"},
	{"stderr", step{Err: "Error: Login failed due to a bad username or password.\n", Exit: 255}, ErrLogin, "Login failed due to a bad username or password."},
	{"the telling line", step{Out: "Error: Other error encountered\nError: Snapshot _VCB-BACKUP_ exists\n", Exit: 1}, ErrLeftover, "Snapshot _VCB-BACKUP_ exists"},
	{"warnings", step{Out: "[2007-08-07 12:13:47.418 'App' 2144 info] connected\n[2007-08-07 12:13:47.418 'App' 2144 warning] Sending SCSI inquiry failed\n", Exit: 3}, nil, "Sending SCSI inquiry failed"},
	{"loader", step{Err: "vcbMounter: error while loading shared libraries: libz.so\n", Exit: 127}, nil, "vcbMounter: error while loading shared libraries: libz.so"},
	{"not UTF-8", step{Out: "Error: Datei geh\xf6rt jemandem\n", Exit: 1}, nil, "Datei geh\uFFFDrt jemandem"},
	{"silent", step{Exit: 3}, nil, "it ended with exit status 3 and said nothing"},
}

func TestProgramFails(t *testing.T) {
	t.Parallel()
	for _, c := range failing {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachVerb(t, c.step, func(t *testing.T, f *fake, verb, program string, call func(context.Context) error) {
				err := call(t.Context())
				var e *Error
				if !errors.As(err, &e) {
					t.Fatalf("error %v", err)
				}
				if e.Unwrap() != c.kind || e.Message != c.text {
					t.Errorf("got %q, %v; want %q, %v", e.Message, e.Unwrap(), c.text, c.kind)
				}
				if !utf8.ValidString(e.Output) || !utf8.ValidString(err.Error()) || !strings.HasPrefix(err.Error(), program+" ") {
					t.Errorf("error %q", err)
				}
				if e.Status != c.step.Exit || e.Verb != verb || verb != verbVersion && e.Target == "" {
					t.Errorf("%s: status %d, target %q", e.Verb, e.Status, e.Target)
				}
			})
		})
	}
}

// Nobody else's words: what they may mean, and what a machine's name does not.
func TestClassify(t *testing.T) {
	t.Parallel()
	for text, kind := range map[string]error{
		"Could not find a virtual machine that matches name:web": ErrNotFound,
		"No such VM": ErrNotFound,
		"The virtual machine 'web' was not found":                              ErrNotFound,
		"Snapshot creation failed: a snapshot named _VCB-BACKUP_ exists":       ErrLeftover,
		"Cannot create snapshot _VCB-BACKUP_: insufficient disk space":         ErrNoSpace,
		"write: No space left on device":                                       ErrNoSpace,
		"Directory /export/web already exists":                                 ErrExists,
		"Mount point is not empty":                                             ErrExists,
		"User not authenticated":                                               ErrLogin,
		"You do not have permission to perform this operation":                 ErrLogin,
		"Operation timed out":                                                  ErrTimeout,
		"Failed to export \"no space\"":                                        nil,
		"Failed to export name:no space":                                       nil,
		"File not found":                                                       nil,
		"VCB attempted to invoke a method that is unknown to this object type": nil,
	} {
		k := &call{target: "name:no space", dir: "/export/login"}
		if got := classify(k.withoutNames(text)); got != kind {
			t.Errorf("%q: %v, want %v", text, got, kind)
		}
	}
}

func TestPasswordStaysSecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	var log bytes.Buffer
	eachError := func(s step) error {
		steps := working()
		steps[mounter] = s
		f := newFake(t, steps)
		f.Password = secret
		f.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		f.Log.Info("client", "client", *f.Client)
		return f.Export(t.Context(), web, f.dir)
	}
	for _, s := range []step{
		{Out: "Error: login with " + secret + " failed\n", Exit: 1},
		{Out: secret + "\n", Err: secret, Exit: 1},
		{Export: true},
	} {
		err := eachError(s)
		var e *Error
		if errors.As(err, &e) && strings.Contains(err.Error()+e.Output+e.Hint()+fmt.Sprintf("%+v", *e), secret) {
			t.Errorf("error %+v", *e)
		}
	}
	if log.Len() == 0 || strings.Contains(log.String(), secret) || !strings.Contains(log.String(), "-p "+process.Redacted) {
		t.Errorf("log %s", log.String())
	}
	if text := fmt.Sprintf("%v %+v %#v %s", Client{Password: secret}, Client{Password: secret}, Client{Password: secret}, &Client{Password: secret}); strings.Contains(text, secret) {
		t.Errorf("printed as %s", text)
	}
}

func TestNoProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "not executable")
	if err := os.WriteFile(script, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{filepath.Join(dir, "absent"), script, "vcbMounter that nobody installed"} {
		f := &fake{Client: &Client{Program: program}, dir: filepath.Join(dir, "export")}
		for _, v := range verbs {
			if err := v.call(f, t.Context()); !errors.Is(err, ErrNoProgram) {
				t.Errorf("%s by %s: %v", v.name, program, err)
			}
		}
	}
}

// A call does not begin for a caller who has given up.
func TestCanceledBefore(t *testing.T) {
	t.Parallel()
	eachVerb(t, step{}, func(t *testing.T, f *fake, _, _ string, call func(context.Context) error) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		if err := call(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "enough") {
			t.Errorf("error %v", err)
		}
		if calls := f.calls(t); calls != nil {
			t.Errorf("calls %q", calls)
		}
	})
}

// Whatever is known of a failure comes with what to do about it.
func TestHints(t *testing.T) {
	t.Parallel()
	for kind, part := range map[error]string{
		ErrTimeout: "host answer", ErrIncomplete: "log level", ErrCannotTell: "beside vcbMounter", ErrLeftover: LeftoverSnapshot,
		ErrExists: "does not exist", ErrNotFound: "case-sensitive", ErrLogin: "config.js", ErrNoProgram: "path of vcbMounter",
		ErrNoSpace: "make room",
	} {
		if hint := (&Error{Verb: verbFind, kind: kind}).Hint(); !strings.Contains(hint, part) {
			t.Errorf("%v: hint %q", kind, hint)
		}
	}
	if hint := (&Error{Verb: verbExport, kind: ErrTimeout}).Hint(); !strings.Contains(hint, "deadline for exports") {
		t.Errorf("of an export: %q", hint)
	}
	if hint := (&Error{}).Hint(); hint != "" {
		t.Errorf("of what is not known: %q", hint)
	}
}
