package capture

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/capture/vmrun"
	"granary/repo"
)

// house is a hypervisor in memory, whose VMs are NAME/NAME.vmx with a flat disk.
type house struct {
	*testing.T
	dir       string
	repo      *repo.Repo
	running   []string // names of VMs
	snapshots map[string][]string
	// calls are those that change a VM or its guest, as "stop db".
	calls []string
	// during is what else happens in a call; its error is the call's, which does
	// nothing then.
	during map[string]func() error
}

// newHouse makes VMs that run.
func newHouse(t *testing.T, names ...string) *house {
	t.Helper()
	files := map[string]string{}
	for _, name := range names {
		path := filepath.Join(name, name)
		files[path+".vmx"] = strings.ReplaceAll(config(name+".vmdk"), `"web"`, `"`+name+`"`)
		files[path+".vmdk"], files[path+"-flat.vmdk"] = descriptor(name+"-flat.vmdk", ""), sector
	}
	h := &house{T: t, dir: folder(t, files), running: slices.Clone(names), snapshots: map[string][]string{}, during: map[string]func() error{}}
	where := filepath.Join(t.TempDir(), "repo")
	err := repo.Init(t.Context(), where, 0)
	if err == nil {
		h.repo, err = repo.Open(t.Context(), where, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.repo.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// path is a file of a VM.
func (h *house) path(vm, ext string) string { return filepath.Join(h.dir, vm, vm+ext) }

// request is one for the VM web, and for any team.
func (h *house) request(method Method) Request {
	return Request{VMX: h.path("web", ".vmx"), Quiesce: method, Hypervisor: h, StateDir: filepath.Join(h.dir, "state")}
}

// team has a file in the folder above its VMs.
func (h *house) team(members ...string) *Team {
	h.Helper()
	t := &Team{Name: "shop", File: filepath.Join(h.dir, "shop.vmtm")}
	for _, vm := range members {
		t.Members = append(t.Members, h.path(vm, ".vmx"))
	}
	h.write(t.File, "members")
	return t
}

func (h *house) write(path, text string) {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.Fatal(err)
	}
}

// asItWas fails unless these VMs run, and nothing that a capture left is there.
func (h *house) asItWas(running ...string) {
	h.Helper()
	slices.Sort(h.running)
	slices.Sort(running)
	if !slices.Equal(h.running, running) {
		h.Errorf("%q run, want %q", h.running, running)
	}
	for vm, names := range h.snapshots {
		if len(names) > 0 {
			h.Errorf("%s has the snapshots %q", vm, names)
		}
	}
	left, err := filepath.Glob(filepath.Join(h.dir, "state", journalsDir, "*"+journalExt))
	if err != nil || len(left) > 0 {
		h.Errorf("journals are left: %q, %v", left, err)
	}
}

// generations are how many there are in the repository.
func (h *house) generations() int {
	h.Helper()
	list, err := h.repo.Generations(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return len(list.Generations)
}

// called is when a call was made last, -1 if never.
func (h *house) called(call string) int {
	for i, c := range slices.Backward(h.calls) {
		if c == call {
			return i
		}
	}
	return -1
}

func nameOf(vmx string) string { return strings.TrimSuffix(filepath.Base(vmx), ".vmx") }

// call records a call and lets happen what is to happen during it.
func (h *house) call(verb, vmx string, do func(vm string)) error {
	vm := nameOf(vmx)
	call := verb + " " + vm
	h.calls = append(h.calls, call)
	if during := h.during[call]; during != nil {
		if err := during(); err != nil {
			return err
		}
	}
	do(vm)
	return nil
}

func (h *house) Version(context.Context) (string, error) {
	if during := h.during["version"]; during != nil {
		return "1", during()
	}
	return "1", nil
}

func (h *house) Running(_ context.Context, vmx string) (bool, error) {
	return slices.Contains(h.running, nameOf(vmx)), nil
}

func (h *house) Start(_ context.Context, vmx string) error {
	return h.call("start", vmx, func(vm string) { h.running = append(h.running, vm) })
}

func (h *house) Stop(_ context.Context, vmx string, _ vmrun.Mode) error {
	return h.call("stop", vmx, h.down)
}

func (h *house) Suspend(_ context.Context, vmx string, _ vmrun.Mode) error {
	return h.call("suspend", vmx, h.down)
}

func (h *house) down(vm string) {
	h.running = slices.DeleteFunc(h.running, func(name string) bool { return name == vm })
}

func (h *house) Snapshot(_ context.Context, vmx, name string) error {
	return h.call("snapshot", vmx, func(vm string) { h.snapshots[vm] = append(h.snapshots[vm], name) })
}

func (h *house) Snapshots(_ context.Context, vmx string) ([]string, error) {
	return h.snapshots[nameOf(vmx)], nil
}

func (h *house) DeleteSnapshot(_ context.Context, vmx, name string) error {
	return h.call("delete", vmx, func(vm string) {
		h.snapshots[vm] = slices.DeleteFunc(h.snapshots[vm], func(n string) bool { return n == name })
	})
}

// RunInGuest knows programs by their names alone.
func (h *house) RunInGuest(_ context.Context, vmx, program string, _ ...string) error {
	return h.call(program, vmx, func(string) {})
}

func (h *house) WaitOrphans(context.Context, string) error { return nil }

var errFault = errors.New("a fault")
