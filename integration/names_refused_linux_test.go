package integration

import (
	"os"
	"strings"
	"testing"

	"granary/integration/lab"
)

// What cannot work is refused, with the reason, before anything is done.
func TestImpossibleNames(t *testing.T) {
	w := newWorld(t)
	vm := w.makeVM(lab.Spec{})
	for _, c := range []struct {
		about  string
		args   []string
		status int
		want   string
	}{
		{"a name that leads out", []string{"capture", "--name", "../../x", vm.VMX}, 2, "holds a slash"},
		{"the folder above", []string{"capture", "--name", "..", vm.VMX}, 2, "empty or a dot"},
		{"a line break", []string{"capture", "--name", "a\nb", vm.VMX}, 2, "control character"},
		{"no UTF-8", []string{"capture", "--name", "caf\xe9", vm.VMX}, 2, "not UTF-8"},
		{"too long", []string{"capture", "--name", strings.Repeat("x", 201), vm.VMX}, 2, "longer than 200"},
		{"a datastore in brackets", []string{"capture", "--vmrun-type", "esx", "--host", "h", "--datastore", "a]b=/mnt", vm.VMX}, 2, "a name without brackets"},
		{"a datastore with no folder", []string{"capture", "--vmrun-type", "esx", "--host", "h", "--datastore", "a", vm.VMX}, 2, "want NAME=FOLDER"},
		{"out of a datastore", []string{"capture", "--datastore", "ds=" + vm.Dir, "[ds] ../../../.."}, 1, "names a datastore, not a VM"},
	} {
		t.Run(c.about, func(t *testing.T) {
			if o := w.granary(c.args...); o.status != c.status || !strings.Contains(o.stderr, c.want) || strings.Count(o.stderr, "granary: ") != 1 {
				t.Errorf("exit status %d, want %d with %q\n%s", o.status, c.status, c.want, o.stderr)
			}
		})
	}
	for about, text := range map[string]string{
		"NUL in a path":   `jobs: {j: {vms: ["/vms/a\0b/x.vmx"]}}`,
		"NUL in a name":   `jobs: {j: {vms: [{vm: /vms/x.vmx, name: "a\0b"}]}}`,
		"NUL in a script": `jobs: {j: {before: [echo, "a\0b"], vms: [/vms/x.vmx]}}`,
		"NUL in a store":  `{hosts: {h: {datastores: {"a\0b": /mnt}}}, jobs: {j: {host: h, vms: ["[a\0b] x.vmx"]}}}`,
	} {
		t.Run(about, func(t *testing.T) {
			if err := os.WriteFile(w.path("jobs.yaml"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			o := w.granary("run", "--config", w.path("jobs.yaml"))
			if o.status != 2 || !strings.Contains(o.stderr, "jobs.yaml:1:") || !strings.Contains(o.stderr, "NUL") {
				t.Errorf("exit status %d\n%q", o.status, o.stderr)
			}
		})
	}
	if calls, err := w.vmware.Calls(); err != nil || len(calls) > 0 {
		t.Errorf("vmrun was called: %+v, %v", calls, err)
	}
	if list := w.must("list", "--json"); strings.TrimSpace(list) != "[]" {
		t.Errorf("something was captured: %s", list)
	}
}
