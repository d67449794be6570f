package standin_test

import (
	"os"
	"path/filepath"
	"testing"

	"granary/integration/lab"
)

func TestTeam(t *testing.T) {
	r := newRig(t, lab.Spec{Name: `R&D "web"`})
	db, err := lab.MakeVM(t.Context(), lab.Spec{Name: "db", Dir: filepath.Join(filepath.Dir(r.vm.Dir), "db"), DiskSize: 48 << 20})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	team, err := lab.MakeTeam(dir, "shop", db.VMX, r.vm.VMX)
	if err != nil {
		t.Fatal(err)
	}
	r.wants("", 0, "start", team, "nogui")
	r.wants("Total running VMs: 2\n"+db.VMX+"\n"+r.vm.VMX+"\n", 0, "list")
	for _, verb := range []string{"reset", "suspend", "start", "stop"} {
		r.wants("", 0, verb, team)
		if running := r.state.Running(db.VMX) && r.state.Running(r.vm.VMX); running != (verb == "reset" || verb == "start") {
			t.Errorf("running after %s: %t", verb, running)
		}
	}
	r.wants("Error: The virtual machine is not powered on: "+db.VMX+"\n", 255, "stop", team)
	r.wants("Error: Cannot open VM: "+team+", unknown file suffix\n", 255, "snapshot", team, "s")
	if calls, err := r.state.Calls(); err != nil || calls[0].VMX != team || calls[0].Verb != "start" {
		t.Errorf("logged as %+v, %v", calls, err)
	}

	missing := filepath.Join(dir, "missing.vmtm")
	r.wants("Error: Cannot open VM: "+missing+", The virtual machine cannot be found\n", 255, "start", missing)
	empty := filepath.Join(dir, "empty.vmtm")
	if err := os.WriteFile(empty, []byte("<Foundry><VMTeam/></Foundry>"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("Error: Cannot open VM: "+empty+", Cannot read the virtual machine configuration file\n", 255, "start", empty)
}

// What real teams look like is not known: whatever names a .vmx is a member.
func TestForeignTeam(t *testing.T) {
	r := newRig(t, lab.Spec{})
	team := filepath.Join(r.vm.Dir, "other.VMTM")
	text := `<Team><name>x.vmx is not one</name><member><path> web.vmx
	</path></member></Team>`
	if err := os.WriteFile(team, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r.wants("", 0, "start", team)
	if !r.state.Running(r.vm.VMX) {
		t.Error("the member does not run")
	}
}
