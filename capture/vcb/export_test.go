package vcb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step step
		want string
	}{
		{step{Out: "vcbMounter version: 1.0.3\n"}, "1.0.3"},
		{step{Err: "build-150805\nUsage: vcbMounter -h\n", Exit: 1}, "build-150805"},
		{step{Out: "Usage: vcbMounter -h\n", Exit: 1}, ""},
		{step{Out: "Error: no host\nusage: vcbMounter -h\n", Exit: 255}, ""},
		{step{}, ""},
	} {
		f := newFake(t, script{mounter: c.step})
		f.Host, f.Password = "esx1", "geheim"
		if got, err := f.Version(t.Context()); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c.step, got, err)
		}
		if calls := f.calls(t); len(calls) != 1 || len(calls[0]) != 1 {
			t.Errorf("calls %q", calls)
		}
	}
}

// vcbMounter makes the directory itself; nothing is run where it could not.
func TestExportDirectory(t *testing.T) {
	t.Parallel()
	f := newFake(t, working())
	for name, make := range map[string]func(string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"file":      func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"dead link": func(path string) error { return os.Symlink("nowhere", path) },
	} {
		path := filepath.Join(f.home, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := f.Export(t.Context(), web, path); !errors.Is(err, ErrExists) || !errors.As(err, &e) || e.Hint() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{"", "a\x00b", filepath.Join(f.home, "no", "folder"), filepath.Join(f.home, "file", "x")} {
		if err := f.Export(t.Context(), web, path); err == nil || errors.Is(err, ErrExists) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if calls := f.calls(t); calls != nil {
		t.Errorf("calls %q", calls)
	}
}

func TestExportWithoutCatalog(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{mounter: {Out: "[2007-08-07 12:29:43.798 'App' 2052 info] done\n"}})
	err := f.Export(t.Context(), web, f.dir)
	var e *Error
	if !errors.Is(err, ErrIncomplete) || !errors.As(err, &e) || e.Status != 0 || !strings.Contains(e.Message, "catalog") {
		t.Errorf("error %v", err)
	}
}

// An export ends with its caller; what changes something does not.
func TestCancellation(t *testing.T) {
	t.Parallel()
	started := func(t *testing.T, f *fake) {
		for deadline := time.Now().Add(20 * time.Second); f.calls(t) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it does not start")
			}
		}
	}
	t.Run("of an export", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, script{mounter: {Hang: true}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- f.Export(ctx, web, f.dir) }()
		started(t, f)
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), LeftoverSnapshot) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("of an unmount", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, script{mounter: {Hang: true}})
		f.Timeouts.Unmount = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- f.Unmount(ctx, f.dir) }()
		started(t, f)
		cancel()
		if err := <-done; !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLeftover(t *testing.T) {
	t.Parallel()
	const noise = "[2007-08-07 12:13:47.418 'App' 2144 info] connected\r\n"
	for _, c := range []struct {
		name            string
		names, snapshot step
		left            bool
		want            error
		text            string // in the error; empty: none
	}{
		{"one", step{Out: noise + "name:web\r\nmoref:vm-16\r\n"}, step{Out: noise + "SsId:4\r\n"}, true, nil, ""},
		{"none, in silence", step{Out: "moref:vm-16\n"}, step{}, false, nil, ""},
		{"none, and a failure", step{Out: "moref:vm-16\n"}, step{Out: "Error: Could not find snapshot '_VCB-BACKUP_'\n", Exit: 1}, false, nil, ""},
		{"a failure about the machine", step{Out: "moref:vm-16\n"}, step{Out: "Error: Cannot list snapshots: virtual machine not found\n", Exit: 1}, false, ErrNotFound, "not found"},
		{"no machine", step{}, step{}, false, ErrNotFound, "no virtual machine"},
		{"two machines", step{Out: "moref:vm-16\nmoref:vm-17\n"}, step{}, false, ErrNotFound, "2 virtual machines"},
		{"an empty moref", step{Out: "moref:\n"}, step{Out: "SsId:4\n"}, false, ErrNotFound, "no virtual machine"},
		{"another failure", step{Out: "moref:vm-16\n"}, step{Out: "Error: host is down\n", Exit: 1}, false, nil, "host is down"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{mounter: {}, nameFinder: c.names, snapshotTool: c.snapshot})
			left, err := f.Leftover(t.Context(), web)
			if left != c.left || (err == nil) != (c.text == "") {
				t.Fatalf("%t, %v", left, err)
			}
			if err != nil && (!errors.Is(errors.Unwrap(err), c.want) || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// That there is none to delete is no failure, and nothing is deleted then.
func TestDeleteLeftoverWithoutOne(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{mounter: {}, nameFinder: {Out: "moref:vm-16\n"}, snapshotTool: {}})
	if err := f.DeleteLeftover(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if calls := f.calls(t); len(calls) != 2 {
		t.Errorf("calls %q", calls)
	}
}

func TestCannotTell(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]script{
		"neither":        {mounter: {}},
		"no vcbVmName":   {mounter: {}, snapshotTool: {}},
		"no vcbSnapshot": {mounter: {}, nameFinder: {Out: "moref:vm-16\n"}},
	} {
		f := newFake(t, steps)
		left, err := f.Leftover(t.Context(), web)
		if left || !errors.Is(err, ErrCannotTell) || !errors.Is(f.DeleteLeftover(t.Context(), web), ErrCannotTell) {
			t.Errorf("%s: %t, %v", name, left, err)
		}
	}
}
