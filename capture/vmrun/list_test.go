package vmrun

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "Web", "web.vmx")
	upper := filepath.Join(dir, "Web", "WEB.vmx")
	link := filepath.Join(dir, "link")
	for _, name := range []string{file, upper} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Dir(file), link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, listed, asked string
		running             bool
	}{
		{"same", file, file, true},
		{"CRLF and blanks", file + " \t\r", file, true},
		{"another name of one file", filepath.Join(link, "web.vmx"), file, true},
		{"not clean", filepath.Dir(file) + "/../Web//web.vmx", file, true},
		{"two files that differ in case", upper, file, false},
		{"gone, in another case", "/GONE/web.VMX", "/gone/web.vmx", true},
		{"gone, another", "/gone/web2.vmx", "/gone/web.vmx", false},
		{"gone, not clean", "/gone/./web.vmx", "/gone/web.vmx", true},
		{"Windows slashes", `C:\VMs\web.vmx`, "c:/vms/web.vmx", true},
		{"datastore", "[storage1] a b/web.vmx", "[storage1] a b/web.vmx", true},
		{"part of a name", file + ".old.vmx", file, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{"list": {lists("/vm/other.vmx", c.listed)}})
			if c.asked[1] == ':' {
				f.HostType = "server" // not a path of this machine
			}
			running, err := f.Running(context.Background(), c.asked)
			if err != nil || running != c.running {
				t.Errorf("running %v, %v", running, err)
			}
		})
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, out string
		wanted    string // joined by |, or "error"
	}{
		{"none", "Total running VMs: 0\n", ""},
		{"blank lines", "\r\nTotal running VMs: 2\r\n\r\n/vm/a.vmx  \r\n\r\n/vm/b b.vmx\r\n", "/vm/a.vmx|/vm/b b.vmx"},
		{"noise between", "Total running VMs: 1\n2013-09-07T15:26:59.560| Opener: PID 4119\nhello\n/vm/a.vmx\n", "/vm/a.vmx"},
		{"translated", "Anzahl laufender VMs: 1\n/vm/a.vmx\n", "/vm/a.vmx"},
		{"translated, wide colon", "実行中の仮想マシンの合計：1\n/vm/a.vmx\n", "/vm/a.vmx"},
		{"a number before the heading", "Retries: 3\nTotal running VMs: 1\n/vm/a.vmx\n", "/vm/a.vmx"},
		{"not UTF-8", "Total running VMs: 1\n/vm/\xf6.vmx\n", "/vm/\xf6.vmx"},
		{"more than counted", "Total running VMs: 1\n/vm/a.vmx\n/vm/b.vmx\n", "/vm/a.vmx|/vm/b.vmx"},
		{"fewer than counted", "Total running VMs: 2\n/vm/a.vmx\n", "error"},
		{"nothing", "", "error"},
		{"something else", "hello\n", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{"list": {says(c.out)}})
			l, err := f.List(context.Background())
			got := strings.Join(l, "|")
			if err != nil {
				got = "error"
			}
			if got != c.wanted {
				t.Errorf("list %q, %v", got, err)
			}
		})
	}
}

func TestSnapshots(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{"listSnapshots": {
		says("Total snapshots: 4\r\nbase\r\n\tchild of it\r\n\t\tbase\r\nSch\xf6n: 7\r\n"),
		says("Total snapshots: 0\n"),
		says("Total snapshots: 2\nbase\n"),
		says("Anzahl Snapshots: 3\nbase\nx: 0\n"),
	}})
	names, err := f.Snapshots(context.Background(), f.vmx)
	if got := strings.Join(names, "|"); err != nil || got != "base|child of it|base|Sch\uFFFDn: 7" {
		t.Errorf("snapshots %q, %v", got, err)
	}
	if names, err := f.Snapshots(context.Background(), f.vmx); err != nil || len(names) != 0 {
		t.Errorf("snapshots %q, %v", names, err)
	}
	for range 2 {
		if names, err := f.Snapshots(context.Background(), f.vmx); err == nil {
			t.Errorf("a lost line passed: %q", names)
		}
	}
}

// A path may hold line breaks, and its lines may look like other machines.
func TestRunningWithLineBreaks(t *testing.T) {
	t.Parallel()
	const noise = "hello\n"
	for _, c := range []struct {
		name   string
		exist  []string // files, below the root; absolute in listed and asked
		listed []string
		front  string // of the list
		asked  string
		yes    bool
	}{
		{"newline", []string{"a\nb/web.vmx"}, []string{"a\nb/web.vmx"}, "", "a\nb/web.vmx", true},
		{"newline among others", []string{"a\nb/web.vmx", "x.vmx"}, []string{"x.vmx", "a\nb/web.vmx", "x.vmx"}, "", "a\nb/web.vmx", true},
		{"newline, with noise", []string{"a\nb/web.vmx"}, []string{"a\nb/web.vmx"}, noise, "a\nb/web.vmx", true},
		{"carriage return", []string{"a\rb/web.vmx"}, []string{"a\rb/web.vmx"}, "", "a\rb/web.vmx", true},
		{"both", []string{"a\r\n\n\rb/web.vmx"}, []string{"a\r\n\n\rb/web.vmx"}, "", "a\r\n\n\rb/web.vmx", true},
		{"a colour", []string{"\x1b[31mred\x1b[0m.vmx"}, []string{"\x1b[31mred\x1b[0m.vmx"}, "", "\x1b[31mred\x1b[0m.vmx", true},
		{"not UTF-8", []string{"\xf6.vmx", "\xe4.vmx"}, []string{"\xf6.vmx"}, "", "\xf6.vmx", true},
		{"not UTF-8, another", []string{"\xf6.vmx", "\xe4.vmx"}, []string{"\xf6.vmx"}, "", "\xe4.vmx", false},
		{"not UTF-8, gone", nil, []string{"\xf6.vmx"}, "", "\xe4.vmx", false},
		{"an error", []string{"a\nError: The file is already in use/web.vmx"}, []string{"a\nError: The file is already in use/web.vmx"},
			"", "a\nError: The file is already in use/web.vmx", true},
		{"a total", []string{"a\nTotal running VMs: 0\n/web.vmx"}, []string{"a\nTotal running VMs: 0\n/web.vmx"}, "", "a\nTotal running VMs: 0\n/web.vmx", true},
		{"its last lines", []string{"a\nROOT/web.vmx", "web.vmx"}, []string{"a\nROOT/web.vmx"}, "", "web.vmx", false},
		{"its first lines", []string{"a.vmx\nb/web.vmx", "a.vmx"}, []string{"a.vmx\nb/web.vmx"}, "", "a.vmx", false},
		{"itself and its last lines", []string{"a\nROOT/web.vmx", "web.vmx"}, []string{"a\nROOT/web.vmx", "web.vmx"}, "", "web.vmx", true},
		{"two that look like it", []string{"a.vmx\nROOT/web.vmx", "a.vmx", "web.vmx"}, []string{"a.vmx", "web.vmx"}, "", "a.vmx\nROOT/web.vmx", false},
		{"its lines, each a machine", []string{"a.vmx\nROOT/web.vmx", "a.vmx", "web.vmx"}, []string{"a.vmx", "web.vmx"}, "", "web.vmx", true},
		{"the longer of two", []string{"a\nb/web.vmx", "a\nb/web.vmx\nc/web.vmx"}, []string{"a\nb/web.vmx\nc/web.vmx"}, "", "a\nb/web.vmx", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{})
			root := filepath.Join(f.dir, "vm")
			here := strings.NewReplacer("ROOT", root)
			for _, name := range c.exist {
				f.file(t, filepath.Join("vm", here.Replace(name)))
			}
			var listed []string
			for _, name := range c.listed {
				listed = append(listed, root+"/"+here.Replace(name))
			}
			list := lists(listed...)
			list.Out = append([]byte(c.front), list.Out...)
			if c.front != "" {
				list.Out = append(list.Out, noise...)
			}
			f.rewrite(t, script{"list": {list}})
			running, err := f.Running(context.Background(), root+"/"+here.Replace(c.asked))
			if err != nil || running != c.yes {
				t.Errorf("running %v, %v", running, err)
			}
		})
	}
}

// Where lines end in CRLF, those of a name do, too.
func TestRunningWithLineBreaksInCRLF(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{})
	vmx := f.file(t, "a\nb/web.vmx")
	f.rewrite(t, script{"list": {says(strings.ReplaceAll("Total running VMs: 1\n"+vmx+"\n", "\n", "\r\n"))}})
	if running, err := f.Running(context.Background(), vmx); err != nil || !running {
		t.Errorf("running %v, %v", running, err)
	}
}

// What cannot be told apart counts as running.
func TestRunningInDoubt(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{})
	first, second := f.file(t, "a.vmx"), f.file(t, "b.vmx")
	both := f.file(t, "a.vmx\n"+second)
	f.rewrite(t, script{"list": {lists(both, first, second)}})
	for _, vmx := range []string{first, second, both} {
		if running, err := f.Running(context.Background(), vmx); err != nil || !running {
			t.Errorf("%q: running %v, %v", vmx, running, err)
		}
	}
}

// Foreign names may look like anything, and hide neither themselves nor ours.
func TestSnapshotsWithHostileNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, out string }{
		{"newline", "Total snapshots: 2\nfore\nign\ngranary-1\n"},
		{"newline at the ends", "Total snapshots: 2\n\nforeign\n\ngranary-1\n"},
		{"blank lines only", "Total snapshots: 3\n\n\ngranary-1\n"},
		{"a total", "Total snapshots: 2\nTotal snapshots: 0\ngranary-1\n"},
		{"a total behind", "Total snapshots: 2\ngranary-1\nTotal snapshots: 0\n"},
		{"a total, translated", "Anzahl Snapshots: 2\ngranary-1\nTotal snapshots: 0\n"},
		{"noise", "Total snapshots: 2\n2013-09-07T15:26:59.560| x\ngranary-1\n"},
		{"an error", "Total snapshots: 2\nError: before the update\ngranary-1\n"},
		{"an error behind a newline", "Total snapshots: 2\nx\nError: before the update\ngranary-1\n"},
		{"not UTF-8", "Total snapshots: 2\n\xf6\xff\ngranary-1\n"},
		{"carriage return", "Total snapshots: 2\na\rb\ngranary-1\r\n"},
		{"a colour", "Total snapshots: 2\n\x1b[31m\ngranary-1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{"listSnapshots": {says(c.out)}})
			names, err := f.Snapshots(context.Background(), f.vmx)
			if err != nil || !slices.Contains(names, "granary-1") {
				t.Errorf("snapshots %q, %v", names, err)
			}
		})
	}
}

// An error that vmrun is known for is none of the names, wherever it stands.
func TestErrorsInLists(t *testing.T) {
	t.Parallel()
	for _, out := range []string{
		"Error: The operation was canceled\nTotal %s: 0\n",
		"Total %s: 0\nError: The operation was canceled\n",
		"Total %s: 1\n/vm/a.vmx\nError: The operation was canceled\n",
		"Total %s: 2\n/vm/a.vmx\nError: The operation was canceled\n",
		"Error: Es ging nicht\nTotal %s: 0\n",
		"Total %s: 0\nError: Es ging nicht\n",
	} {
		f := newFake(t, script{"list": {says(fmt.Sprintf(out, "running VMs"))}, "listSnapshots": {says(fmt.Sprintf(out, "snapshots"))}})
		var e *Error
		if l, err := f.List(context.Background()); !errors.As(err, &e) {
			t.Errorf("%q: list %q", out, l)
		}
		if l, err := f.Snapshots(context.Background(), f.vmx); !errors.As(err, &e) {
			t.Errorf("%q: snapshots %q", out, l)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for out, wanted := range map[string]string{
		"vmrun version 1.17.0.24995812\n":              "1.17.0.24995812",
		"vmrun version 1.17.0 build-12990004\r\nmore ": "1.17.0 build-12990004",
		"VMRUN version 2.0.1\n":                        "2.0.1",
		"hello\n":                                      "",
	} {
		f := newFake(t, script{"version": {{Out: []byte(out), Exit: 255}}})
		v, err := f.Version(context.Background())
		if v != wanted || (err == nil) != (wanted != "") {
			t.Errorf("%q: version %q, %v", out, v, err)
		}
	}
}

func TestPathsRefused(t *testing.T) {
	t.Parallel()
	c := &Client{Program: "/no/such/vmrun", HostType: "ws"}
	for _, vmx := range []string{"", "/vm/\x00"} {
		if err := c.Start(context.Background(), vmx); err == nil || errors.Is(err, ErrNoProgram) {
			t.Errorf("%q: %v", vmx, err)
		}
	}
	remote := &Client{Program: "/no/such/vmrun", HostType: "server"}
	if err := remote.Start(context.Background(), "-gu"); err == nil || errors.Is(err, ErrNoProgram) {
		t.Errorf("a flag: %v", err)
	}
	for _, name := range []string{"", " ", "-T", "a/b", "a\tb", "a\nb"} {
		if err := c.Snapshot(context.Background(), "/vm/a.vmx", name); err == nil || errors.Is(err, ErrNoProgram) {
			t.Errorf("%q: %v", name, err)
		}
		if err := c.DeleteSnapshot(context.Background(), "/vm/a.vmx", name); err == nil || errors.Is(err, ErrNoProgram) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
