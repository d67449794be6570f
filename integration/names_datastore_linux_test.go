package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// Datastores have names, too. These reach vmrun, the journal and the scripts as
// they are.
func TestHostileDatastores(t *testing.T) {
	w := newWorld(t)
	w.env = append(w.env, "CANARY="+w.path("canary"), "VICTIM="+w.path("victim"), "GRANARY_HOST_PASSWORD=secret", "TOLD="+w.path("told"))
	stores := hostileStores(w)
	host := standin.RemoteHost{Type: "esx", User: "root", Password: "secret", Datastores: stores}
	if err := w.vmware.Configure(standin.Settings{Pause: "20ms", Cache: guest.Unsafe, Hosts: map[string]standin.RemoteHost{"esx1": host}}); err != nil {
		t.Fatal(err)
	}
	var folders, vms strings.Builder
	capture := []string{"--vmrun-type", "esx", "--host", "esx1", "--user", "root"}
	for name, dir := range stores {
		if !strings.Contains(name, "=") { // NAME=FOLDER cannot say it, the job file can
			capture = append(capture, "--datastore", name+"="+dir)
		}
	}
	for i, name := range slices.Sorted(maps.Keys(stores)) {
		vm, err := lab.MakeVM(t.Context(), lab.Spec{Dir: filepath.Join(stores[name], "web"), Name: "web", DiskSize: 48 << 20})
		if err != nil {
			t.Fatal(err)
		}
		inStore, as, method := "["+name+"] web/web.vmx", fmt.Sprintf("vm%d", i), methods[i%4]
		w.tool("vmrun", "-T", "esx", "-h", "esx1", "-u", "root", "-p", "secret", "start", inStore, "nogui")
		fmt.Fprintf(&folders, "%s: %s, ", yamlText(name), yamlText(stores[name]))
		fmt.Fprintf(&vms, "      - {vm: %s, name: %s, quiesce: %s}\n", yamlText(inStore), as, method)
		if strings.Contains(name, "=") {
			continue
		}
		t.Run(fmt.Sprintf("%q, %s", name, method), func(t *testing.T) {
			w := w.on(t)
			c := w.capture(append(capture, "--quiesce", method, "--name", as, inStore)...)
			w.runsWithoutOurs(vm.VMX)
			w.must("restore", c.VM, "--to", w.path("restored", c.VM))
			w.onePointInTime(w.path("restored", c.VM, "web.vmx"))
		})
	}
	jobs := "hosts: {esx: {type: esx, address: esx1, user: root, password-env: GRANARY_HOST_PASSWORD, datastores: {" + folders.String() + "}}}\n" +
		"jobs:\n  all:\n    host: esx\n    vm-after: printf '%s\\0' \"$GRANARY_VMX\" >>\"$TOLD\"\n    vms:\n" + vms.String()
	if err := os.WriteFile(w.path("jobs.yaml"), []byte(jobs), 0o644); err != nil {
		t.Fatal(err)
	}
	w.killedJobIsRecovered(stores)
	w.must("run", "--config", w.path("jobs.yaml"))
	told, err := os.ReadFile(w.path("told"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range stores {
		if n := strings.Count(string(told), "["+name+"] web/web.vmx\x00"); n != 1 {
			t.Errorf("scripts were told %d times of datastore %q", n, name)
		}
	}
	if exists(w.path("canary")) {
		t.Error("a name was run")
	}
}

// hostileStores are folders by the names of datastores: those that one can have,
// and that the settings of the stand-in can say.
func hostileStores(w *world) map[string]string {
	stores := map[string]string{"a=b, c": w.path("stores", "a=b, c ")}
	for i, entry := range hostileNames {
		if !strings.ContainsAny(entry.name, "[]") && utf8.ValidString(entry.name) {
			stores[entry.name] = w.path("stores", fmt.Sprint(i))
		}
	}
	return stores
}

// killedJobIsRecovered kills granary run while guests are down, and lets
// recover find its way by the datastores in the journals.
func (w *world) killedJobIsRecovered(stores map[string]string) {
	w.Helper()
	if err := w.vmware.SetFaults(standin.Fault{Verb: "start", Do: standin.Hang}); err != nil {
		w.Fatal(err)
	}
	cmd := w.command("granary", "run", "--config", w.path("jobs.yaml"))
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	var hanging standin.Call
	err := eventually(w.Context(), "vmrun start", func() bool {
		calls, err := w.vmware.Calls()
		if err == nil && len(calls) > 0 {
			hanging = calls[len(calls)-1]
		}
		return hanging.Verb == "start" && hanging.End.IsZero() && cmd.Process.Pid == parentOf(hanging.PID)
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		w.Fatal(err)
	}
	if err := syscall.Kill(hanging.PID, syscall.SIGKILL); err != nil {
		w.Fatal(err)
	}
	if err := w.vmware.SetFaults(); err != nil {
		w.Fatal(err)
	}
	w.must("recover")
	for _, dir := range stores {
		w.runsWithoutOurs(filepath.Join(dir, "web", "web.vmx"))
	}
}

// parentOf is the process that started another, 0 if it has ended.
func parentOf(pid int) (parent int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "PPid: %d", &parent); err == nil {
			return parent
		}
	}
	return 0
}

// runsWithoutOurs fails unless a VM of a remote host runs without a snapshot of
// ours.
func (w *world) runsWithoutOurs(vmx string) {
	w.Helper()
	if !w.vmware.Running(vmx) {
		w.Errorf("%q does not run", vmx)
	}
	vmsd, err := os.ReadFile(strings.TrimSuffix(vmx, "x") + "sd")
	if err != nil || strings.Contains(string(vmsd), "granary-") {
		w.Errorf("a snapshot of ours is left: %s, %v", vmsd, err)
	}
}
