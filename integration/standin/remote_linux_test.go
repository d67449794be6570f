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

const (
	unreachable = "Unable to connect to host.\nError: The operation is not supported for the specified parameters\n"
	wrongLogin  = "Unable to connect to host.\nError: Invalid user name or password\n"
)

// newHosts returns a rig whose machine is in the datastore "store 1" of esx1, and
// the .vmx of another on srv, which is a server1.
func newHosts(t *testing.T) (r *rig, other string) {
	t.Helper()
	r = newRig(t, lab.Spec{})
	dir := filepath.Join(t.TempDir(), "srv")
	vm, err := lab.MakeVM(t.Context(), lab.Spec{Name: "mail", Dir: filepath.Join(dir, "mail"), DiskSize: 48 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r.configure(standin.Settings{Hosts: map[string]standin.RemoteHost{
		"esx1": {User: "root", Password: "secret", Datastores: map[string]string{
			"store 1": filepath.Dir(r.vm.Dir), "odd] [name": filepath.Dir(filepath.Dir(r.vm.Dir)) + "/", // around the other
		}},
		"srv.example": {Type: "server1", Port: 904, User: "op", Password: "other secret", Datastores: map[string]string{"local": dir}},
	}})
	return r, vm.VMX
}

// configure replaces the settings, keeping guests fast.
func (r *rig) configure(settings standin.Settings) {
	r.Helper()
	settings.Pause, settings.Cache = "1ms", guest.Unsafe
	if err := r.state.Configure(settings); err != nil {
		r.Fatal(err)
	}
}

func TestHosts(t *testing.T) {
	r, mail := newHosts(t)
	esx := func(args ...string) []string {
		return append([]string{"-T", "esx", "-h", "https://ESX1:443/sdk", "-u", "root", "-p", "secret"}, args...)
	}
	srv := func(args ...string) []string {
		return append([]string{"-T", "server1", "-h", "srv.example", "-P", "904", "-u", "op", "-p", "other secret"}, args...)
	}
	const web = "[store 1] web/web.vmx"
	r.wants("", 0, esx("start", web)...)
	r.wants("", 0, srv("start", mail)...)
	r.wants("Total running VMs: 1\n"+web+"\n", 0, esx("list")...)
	r.wants("Total running VMs: 1\n"+mail+"\n", 0, srv("list")...)
	r.wants("Total running VMs: 0\n", 0, "-T", "ws", "list")
	r.wants("Total registered VMs: 1\n"+mail+"\n", 0, srv("listRegisteredVM")...)
	r.wants("Error: The operation is not supported for the specified parameters\n", 255, "-T", "ws", "listRegisteredVM")
	r.wants("", 0, esx("stop", "[odd] [name] vms/web/web.vmx", "hard")...)

	for _, foreign := range []string{"[local] mail/mail.vmx", "[store 1] ../vms/web/web.vmx", "[store 1]", r.vm.VMX, mail} {
		r.wants("Error: Cannot open VM: "+foreign+", The virtual machine cannot be found\n", 255, esx("stop", foreign)...)
	}
	r.wants("Error: Cannot open VM: "+r.vm.VMX+", The virtual machine cannot be found\n", 255, srv("stop", r.vm.VMX)...)
}

func TestLogin(t *testing.T) {
	r, _ := newHosts(t)
	none, refused := "Total running VMs: 0\n", "Password: \nError: Invalid user name or password\n"
	for _, c := range []struct {
		flags, text string
		code        int
	}{
		{"-T esx -h esx1 -u root -p secret", none, 0},
		{"-T vc -h esx1:8443 -u root -p secret", none, 0},
		{"-T server -h https://esx1/sdk -P 8333 -u root -p secret", none, 0},
		{"-T ws-shared -h [esx1]:443 -u root -p secret", none, 0},
		{"-T esx -h esx1 -u root -p guess", wrongLogin, 255},
		{"-T esx -h esx1 -u op -p secret", wrongLogin, 255},
		{"-T esx -h esx1 -u root", refused, 255},
		{"-T esx -h esx2 -u root -p secret", unreachable, 255},
		{"-T esx -u root -p secret", unreachable, 255},
		{"-T server1 -h srv.example -u op -p other", unreachable, 255}, // at another port
		{"-T esx -h srv.example -P 904 -u op -p other", unreachable, 255},
		{"-T server1 -h srv.example:904 -u op -p other", wrongLogin, 255},
	} {
		r.wants(c.text, c.code, append(strings.Fields(c.flags), "list")...)
	}
	calls, err := r.state.Calls()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range calls {
		if slices.ContainsFunc(c.Args, func(arg string) bool { return arg == "secret" || arg == "guess" || arg == "other" }) {
			t.Errorf("a password in the log: %q", c.Args)
		}
	}
	if first := calls[0]; first.Host != "esx1" || first.Type != "esx" || calls[2].Host != "esx1" || calls[2].Type != "server" {
		t.Errorf("logged as %+v and %+v", first, calls[2])
	}
}

// A fault may be for one host alone.
func TestFaultOfAHost(t *testing.T) {
	r, _ := newHosts(t)
	r.faults(standin.Fault{Host: "ESX1", Verb: "list", Do: standin.Fail, Text: "Error: Unknown error"})
	r.wants("Error: Unknown error\n", 255, "-T", "esx", "-h", "esx1", "-u", "root", "-p", "secret", "list")
	r.wants("Total running VMs: 0\n", 0, "-T", "server1", "-h", "srv.example:904", "-u", "op", "-p", "other secret", "list")
}

func TestEncryptedMachine(t *testing.T) {
	r := newRig(t, lab.Spec{Encrypted: true})
	r.configure(standin.Settings{VMPassword: "open"})
	cannot := "Error: Cannot open VM: " + r.vm.VMX + ", "
	r.wants(cannot+"A password is required for this operation\n", 255, "start", r.vm.VMX)
	r.wants(cannot+"Incorrect password\n", 255, "-vp", "guess", "start", r.vm.VMX)
	for _, args := range [][]string{{"start"}, {"snapshot", "s"}, {"deleteSnapshot", "s"}, {"stop"}} {
		r.wants("", 0, append([]string{"-vp", "open"}, slices.Insert(args, 1, r.vm.VMX)...)...)
	}
}
