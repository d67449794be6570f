package vmrun

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for _, name := range []string{"ds1/web/web.vmx", "ds1/inner/db/db.vmx", "ds1/..hidden/a.vmx", "ds10/web.vmx", "elsewhere/a.vmx"} {
		if err := os.MkdirAll(filepath.Dir(place(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "ds1", "ds1/other": "elsewhere", "ds1/deep": "ds1/inner"} {
		if err := os.Symlink(place(target), place(link)); err != nil {
			t.Fatal(err)
		}
	}
	datastores := map[string]string{"data 1": place("ds1"), "inner;rm -rf": place("ds1", "inner"), "linked": place("link", "web")}
	odd := "bl\xf6d\n;rm -rf \"$HOME\" " + strings.Repeat("x", 200) + ".vmx"
	for _, c := range []struct {
		name, types, vmx, wanted string // wanted is "error" where it is refused
	}{
		{"in a datastore", "ws-shared server esx vc", place("ds1/a/a.vmx"), "[data 1] a/a.vmx"},
		{"hostile", "ws-shared server esx vc", place("ds1", odd), "[data 1] " + odd},
		{"innermost", "esx server", place("ds1/inner/db/db.vmx"), "[inner;rm -rf] db/db.vmx"},
		{"innermost, with a link", "esx server", place("ds1/web/web.vmx"), "[linked] web.vmx"},
		{"by way of a link", "esx server", place("link/inner/db/db.vmx"), "[inner;rm -rf] db/db.vmx"},
		{"a link into another", "esx", place("ds1/deep/db/db.vmx"), "[inner;rm -rf] db/db.vmx"},
		{"a link out of all", "esx", place("ds1/other/a.vmx"), "[data 1] other/a.vmx"},
		{"not clean", "esx", place("ds1") + "/x/..//a.vmx", "[data 1] a.vmx"},
		{"dots in front", "esx", place("ds1/..hidden/a.vmx"), "[data 1] ..hidden/a.vmx"},
		{"by name", "ws-shared server esx vc", "[other] a/a.vmx", "[other] a/a.vmx"},
		{"beside", "esx vc", place("ds10/web.vmx"), "error"},
		{"beside", "ws-shared server server1", place("ds10/web.vmx"), place("ds10/web.vmx")},
		{"plain", "server1 ws player fusion", place("ds1/web/web.vmx"), place("ds1/web/web.vmx")},
		{"the datastore itself", "esx", place("ds1"), "error"},
		{"another system's", "ws-shared server server1", `C:\VMs\a.vmx`, `C:\VMs\a.vmx`},
		{"a flag", "server server1 ws-shared esx vc", "-gu", "error"},
		{"NUL", "ws esx", "[data 1] \x00.vmx", "error"},
		{"none", "ws esx", "", "error"},
	} {
		for _, hostType := range strings.Fields(c.types) {
			client := &Client{HostType: hostType, Datastores: datastores}
			got, err := client.Name(c.vmx)
			if err != nil {
				got = "error"
			}
			if got != c.wanted {
				t.Errorf("%s, %s: %q, %v; want %q", c.name, hostType, got, err, c.wanted)
			}
			if again, err := client.Name(got); got != "error" && (again != got || err != nil) {
				t.Errorf("%s, %s: the name of a name is %q, %v", c.name, hostType, again, err)
			}
		}
	}
}

func TestNoDatastore(t *testing.T) {
	t.Parallel()
	c := &Client{Program: "/no/such/vmrun", HostType: "esx", Host: "esx1", Datastores: map[string]string{"ds1": "/vmfs/ds1"}}
	err := c.Start(context.Background(), "/elsewhere/a.vmx")
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrNoDatastore) {
		t.Fatal(err)
	}
	if !strings.Contains(e.Hint(), "--datastore NAME=FOLDER") || !strings.Contains(err.Error(), "ds1 at /vmfs/ds1") {
		t.Errorf("%v, hint %q", err, e.Hint())
	}
	for name, err := range map[string]error{"Running": second(c.Running(context.Background(), "/elsewhere/a.vmx")),
		"Orphans": second(c.Orphans("/elsewhere/a.vmx")), "WaitOrphans": c.WaitOrphans(context.Background(), "/elsewhere/a.vmx")} {
		if !errors.Is(err, ErrNoDatastore) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A listed name is a machine by its path and by its name in a datastore.
func TestRunningInDatastore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, listed, asked string // DIR stands for where ds1 is mounted
		running             bool
	}{
		{"named, path asked", "[ds1] web/web.vmx", "DIR/web/web.vmx", true},
		{"named, name asked", "[ds1] web/web.vmx", "[ds1] web/web.vmx", true},
		{"path, name asked", "DIR/web/web.vmx", "[ds1] web/web.vmx", true},
		{"not clean", "[ds1] ./web//web.vmx", "DIR/web/web.vmx", true},
		{"no blank", "[ds1]web/web.vmx", "DIR/web/web.vmx", true},
		{"in another case", "[DS1] web/web.vmx", "DIR/web/web.vmx", true},
		{"behind its datacenter", "[ha-datacenter/ds1] web/web.vmx", "DIR/web/web.vmx", true},
		{"as ESX has it mounted", "/vmfs/volumes/ds1/web/web.vmx", "DIR/web/web.vmx", true},
		{"by a link", "[ds1] web/web.vmx", "DIR/link/web.vmx", true},
		{"gone", "[ds1] gone/gone.vmx", "DIR/gone/gone.vmx", true},
		{"line breaks", "[ds1] a\nb/web.vmx", "DIR/a\nb/web.vmx", true},
		{"line breaks, unknown datastore", "[ds9] a\nb/web.vmx", "[ds9] a\nb/web.vmx", true},
		{"another datastore", "[ds2] web/web.vmx", "DIR/web/web.vmx", false},
		{"another machine", "[ds1] web2/web.vmx", "DIR/web/web.vmx", false},
		{"files that differ in case", "[ds1] WEB/web.vmx", "DIR/web/web.vmx", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{})
			for _, name := range []string{"web", "WEB", "web2", "a\nb"} {
				f.file(t, filepath.Join("mounted", name, "web.vmx"))
			}
			mounted := filepath.Join(f.dir, "mounted")
			if err := os.Symlink("web", filepath.Join(mounted, "link")); err != nil {
				t.Fatal(err)
			}
			f.HostType, f.Host, f.Datastores = "esx", "esx1", map[string]string{"ds1": mounted}
			here := strings.NewReplacer("DIR", mounted)
			listed := here.Replace(c.listed)
			f.rewrite(t, script{"list": {says("Total running VMs: 2\n[ds1] other/other.vmx\n" + listed + "\n")}})
			running, err := f.Running(context.Background(), here.Replace(c.asked))
			if err != nil || running != c.running {
				t.Errorf("running %v, %v", running, err)
			}
		})
	}
}
