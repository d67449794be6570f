package vmrun

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
	}})
	names, err := f.Snapshots(context.Background(), f.vmx)
	if got := strings.Join(names, "|"); err != nil || got != "base|child of it|base|Sch\uFFFDn: 7" {
		t.Errorf("snapshots %q, %v", got, err)
	}
	if names, err := f.Snapshots(context.Background(), f.vmx); err != nil || len(names) != 0 {
		t.Errorf("snapshots %q, %v", names, err)
	}
	if names, err := f.Snapshots(context.Background(), f.vmx); err == nil {
		t.Errorf("a lost line passed: %q", names)
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
	for _, vmx := range []string{"", "/vm/a\n.vmx", "/vm/\x00"} {
		if err := c.Start(context.Background(), vmx); err == nil || errors.Is(err, ErrNoProgram) {
			t.Errorf("%q: %v", vmx, err)
		}
	}
	remote := &Client{Program: "/no/such/vmrun", HostType: "esx"}
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
