package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/capture"
	"granary/capture/host"
)

// touch makes files below dir, with their folders.
func touch(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, f)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// jobOf is a job of the given VMs, on a host with the datastore ds at dir.
func jobOf(dir string, vms ...string) *Job {
	j := &Job{Name: "j"}
	for i, vm := range vms {
		t := Task{VM: vm, HostName: "h", Host: host.Host{Datastores: map[string]string{"ds": dir}}}
		j.selections = append(j.selections, selection{Task: t, line: fmt.Sprintf("f:%d", i+1)})
	}
	return j
}

func TestTasksOfPathsAndPatterns(t *testing.T) {
	hostile := "a b;rm -rf ü'\"\n" + strings.Repeat("x", 180)
	for _, c := range []struct {
		name     string
		files    []string
		vms      []string // DIR stands for the folder
		want     []string
		warnings []string
	}{
		{name: "files", files: []string{"a/a.vmx", "b/b.vmx", "b/b.vmdk"}, vms: []string{"DIR/*/*.vmx"}, want: []string{"DIR/a/a.vmx", "DIR/b/b.vmx"}},
		{name: "folders that hold one", files: []string{"a/a.vmx", "b/b.VMX", "empty/notes.txt", "file"}, vms: []string{"DIR/*"}, want: []string{"DIR/a/a.vmx", "DIR/b/b.VMX"}},
		{name: "a folder that holds two is told of", files: []string{"a/a.vmx", "two/1.vmx", "two/2.vmx"}, vms: []string{"DIR/*"},
			want: []string{"DIR/a/a.vmx"}, warnings: []string{"f:1: find VM: DIR/two holds several .vmx files"}},
		{name: "teams", files: []string{"t/t.vmtm", "u/u.vmtn", "v/v.txt"}, vms: []string{"DIR/*/*.vmt?", "DIR/v/*"},
			want: []string{"DIR/t/t.vmtm", "DIR/u/u.vmtn"}, warnings: []string{`f:2: nothing fits the pattern "DIR/v/*"`}},
		{name: "a datastore", files: []string{"a/a.vmx", "b/b.vmx"}, vms: []string{"[ds] */*.vmx"}, want: []string{"[ds] a/a.vmx", "[ds] b/b.vmx"}},
		{name: "folders of a datastore", files: []string{"a/a.vmx"}, vms: []string{"[ds] *"}, want: []string{"[ds] a/a.vmx"}},
		{name: "a range, and one letter", files: []string{"web1/x.vmx", "web2/x.vmx", "web9/x.vmx"}, vms: []string{"DIR/web[1-3]/?.vmx"}, want: []string{"DIR/web1/x.vmx", "DIR/web2/x.vmx"}},
		{name: "hidden folders stay hidden", files: []string{".snapshot/a/a.vmx", "b/b/b.vmx"}, vms: []string{"DIR/*/*/*.vmx"}, want: []string{"DIR/b/b/b.vmx"}},
		{name: "unless they are asked for", files: []string{".snapshot/a/a.vmx"}, vms: []string{"DIR/.s*/*/*.vmx"}, want: []string{"DIR/.snapshot/a/a.vmx"}},
		{name: "nothing fits", files: []string{"a/a.vmx"}, vms: []string{"DIR/a", "DIR/none*/*.vmx"}, want: []string{"DIR/a"}, warnings: []string{`f:2: nothing fits the pattern "DIR/none*/*.vmx"`}},
		{name: "a pattern that is none stays a path", files: []string{"a/a.vmx"}, vms: []string{"DIR/a/a.vmx", "DIR/none/none.vmx"}, want: []string{"DIR/a/a.vmx", "DIR/none/none.vmx"}},
		{name: "a path that looks like a pattern and exists", files: []string{"web [old]/*.vmx", "web o/x.vmx"}, vms: []string{"DIR/web [old]/*.vmx", "[ds] web [old]/*.vmx"},
			want: []string{"DIR/web [old]/*.vmx"}, warnings: []string{`f:2: "[ds] web [old]/*.vmx" is named before`}},
		{name: "twice by name", files: []string{"a/a.vmx"}, vms: []string{"DIR/a/a.vmx", "DIR/a"}, want: []string{"DIR/a/a.vmx"}, warnings: []string{`f:2: "DIR/a" is named before`}},
		{name: "twice, and not there", vms: []string{"DIR/a/a.vmx", "DIR/a/a.vmx"}, want: []string{"DIR/a/a.vmx"}, warnings: []string{`f:2: "DIR/a/a.vmx" is named before`}},
		{name: "twice by pattern, without a remark", files: []string{"a/a.vmx", "b/b.vmx"}, vms: []string{"DIR/*/*.vmx", "DIR/a*"}, want: []string{"DIR/a/a.vmx", "DIR/b/b.vmx"}},
		{name: "an entry of its own goes before a pattern", files: []string{"a/a.vmx", "b/b.vmx"}, vms: []string{"DIR/*/*.vmx", "DIR/a"}, want: []string{"DIR/b/b.vmx", "DIR/a"}},
		{name: "hostile names", files: []string{hostile + "/w.vmx", "caf\xe9/w.vmx", "-rf/w.vmx"}, vms: []string{"DIR/*"},
			want: []string{"DIR/-rf/w.vmx", "DIR/" + hostile + "/w.vmx", "DIR/caf\xe9/w.vmx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			touch(t, dir, c.files...)
			place := func(text string) string { return strings.ReplaceAll(text, "DIR", dir) }
			var vms []string
			for _, vm := range c.vms {
				vms = append(vms, place(vm))
			}
			tasks, warnings, err := jobOf(dir, vms...).Tasks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, task := range tasks {
				got = append(got, task.VM)
				if task.HostName != "h" {
					t.Errorf("%s lost its settings", task.VM)
				}
			}
			for _, vm := range c.want {
				want = append(want, place(vm))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if len(warnings) != len(c.warnings) {
				t.Fatalf("warnings %q, want %q", warnings, c.warnings)
			}
			for i, w := range c.warnings {
				if !strings.Contains(warnings[i], place(w)) {
					t.Errorf("warning %q, want %q", warnings[i], place(w))
				}
			}
		})
	}
}

// The folder of a datastore is no pattern, whatever it is called.
func TestDatastoreFolderIsNoPattern(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "esx [1]*")
	touch(t, dir, "a/a.vmx")
	tasks, _, err := jobOf(dir, "[ds] */*.vmx").Tasks(t.Context())
	if err != nil || len(tasks) != 1 || tasks[0].VM != "[ds] a/a.vmx" {
		t.Errorf("got %+v, %v", tasks, err)
	}
}

func TestTasksSeeOneVMThroughLinks(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "real/a.vmx")
	if err := os.Symlink("real", filepath.Join(dir, "alias")); err != nil {
		t.Fatal(err)
	}
	tasks, _, err := jobOf(dir, filepath.Join(dir, "*/*.vmx")).Tasks(t.Context())
	if err != nil || len(tasks) != 1 {
		t.Errorf("got %+v, %v", tasks, err)
	}
}

func TestTasksOfNothingAreAnError(t *testing.T) {
	_, warnings, err := jobOf("/", filepath.Join(t.TempDir(), "*.vmx")).Tasks(t.Context())
	if !errors.Is(err, ErrNoVMs) || len(warnings) != 1 {
		t.Errorf("got %v and %q", err, warnings)
	}
}

// A folder that cannot be read hides VMs: that is no mere warning. The others
// are captured all the same.
func TestTasksTellWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "a/a.vmx")
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	tasks, _, err := jobOf(dir, filepath.Join(dir, "*/*.vmx")).Tasks(t.Context())
	if err == nil || !strings.Contains(err.Error(), loop) || len(tasks) != 1 {
		t.Errorf("got %+v, %v", tasks, err)
	}
}

func TestTasksEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, _, err := jobOf("/", "/*/*.vmx").Tasks(ctx); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

func TestExportsAreTakenByTheirNames(t *testing.T) {
	j := jobOf("/", "name:web*", "name:WEB*", "name:web*")
	for i := range j.selections {
		j.selections[i].Host.Driver = host.VCB
	}
	tasks, warnings, err := j.Tasks(t.Context())
	if err != nil || len(tasks) != 2 || len(warnings) != 1 {
		t.Errorf("got %+v, %q, %v", tasks, warnings, err)
	}
}

func TestTasksHaveLabels(t *testing.T) {
	vcb := host.Host{Driver: host.VCB}
	for _, c := range []struct {
		task Task
		want string
	}{
		{Task{VM: "/vms/web/web.vmx"}, "web"},
		{Task{VM: "/vms/web/Web.VMX"}, "Web"},
		{Task{VM: "/vms/web.old"}, "web.old"},
		{Task{VM: "/vms/shop.vmtm"}, "shop"},
		{Task{VM: "[ds 1] a/b.vmx"}, "b"},
		{Task{VM: "name:mail", Host: vcb}, "mail"},
		{Task{VM: "moref:vm-1", Host: vcb}, "moref:vm-1"},
		{Task{VM: "/vms/x.vmx", Name: "own", Quiesce: capture.None}, "own"},
	} {
		if got := c.task.label(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.task.VM, got, c.want)
		}
	}
}

func TestDistinct(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "a/a.vmx", "b/b.vmx")
	vcb := host.Host{Driver: host.VCB, Address: "esx1"}
	tasks := []Task{{VM: dir + "/a"}, {VM: dir + "/b/b.vmx"}, {VM: dir + "/a/a.vmx"}, {VM: "/none/x.vmx"}, {VM: "/none/../none/x.vmx"},
		{VM: "name:a", Host: vcb}, {VM: "name:a", Host: vcb}, {VM: "name:b", Host: vcb}}
	var got []string
	for _, t := range Distinct(tasks) {
		got = append(got, t.VM)
	}
	if want := []string{dir + "/a", dir + "/b/b.vmx", "/none/x.vmx", "name:a", "name:b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
