package standin_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// A machine, its folder and its snapshots may be called what they like.
func TestHostileNames(t *testing.T) {
	for about, name := range map[string]string{
		"quotes":      ` "two"  'words' |22 `,
		"umlauts":     "Prüfstand für Ärger",
		"shell":       ";rm -rf $HOME `id` &",
		"newline":     "first\nsecond",
		"200 letters": strings.Repeat("x", 200),
		"not UTF-8":   "caf\xe9 \xff",
		"flag":        "-T",
	} {
		t.Run(about, func(t *testing.T) {
			r := newRig(t, lab.Spec{Name: name, Disks: 2})
			r.must("start")
			r.wants("Total running VMs: 1\n"+r.vm.VMX+"\n", 0, "list")
			snapshot := strings.TrimPrefix(name, "-")
			r.must("snapshot", snapshot)
			r.wants("Total snapshots: 1\n"+snapshot+"\n", 0, "listSnapshots", r.vm.VMX)
			r.goesOn(3)
			r.must("deleteSnapshot", snapshot)
			r.must("suspend")
			r.must("start")
			r.goesOn(3)
			r.must("stop")
			r.verify(r.disks())
			calls, err := r.state.Calls()
			if err != nil || calls[0].VMX != r.vm.VMX || !slices.Contains(calls[0].Args, r.vm.VMX) {
				t.Errorf("logged as %+v, %v", calls[0], err)
			}
		})
	}
}

// Killed half-way, a call leaves a journal that names files right, whatever
// their folder is called.
func TestKilledWithHostileName(t *testing.T) {
	r := newRig(t, lab.Spec{Name: "caf\xe9\n", Disks: 2})
	r.faults(standin.Fault{Verb: "deleteSnapshot", Call: 1, Do: standin.Die, At: standin.Midway})
	r.must("start")
	r.must("snapshot", "s")
	r.goesOn(3)
	r.wants("", -1, "deleteSnapshot", r.vm.VMX, "s")
	r.must("stop")
	r.must("deleteSnapshot", "s")
	r.verify(r.disks())
	r.must("start")
	r.goesOn(3)
}

func TestHostileDatastore(t *testing.T) {
	r := newRig(t, lab.Spec{Name: `a] b "c"`})
	const store = "Größe] [x;rm -rf\n"
	r.configure(standin.Settings{Datastores: map[string]string{store: filepath.Dir(r.vm.Dir)}})
	path := "[" + store + "] " + filepath.Base(r.vm.Dir) + "/" + filepath.Base(r.vm.VMX)
	r.wants("", 0, "-T", "esx", "start", path)
	r.wants("Total running VMs: 1\n"+path+"\n", 0, "-T", "esx", "list")
	refused := standin.Settings{Cache: guest.Unsafe, Datastores: map[string]string{"caf\xe9": "/"}}
	if err := r.state.Configure(refused); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("settings that cannot be kept: %v", err)
	}
}
