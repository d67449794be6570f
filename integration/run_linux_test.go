package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// runLimits are those of a job file; 0 is no limit.
type runLimits struct{ all, perHost, perDatastore int }

// limitedVM is a VM of the two hosts.
type limitedVM struct{ name, host, datastore string }

func (vm limitedVM) path() string {
	return fmt.Sprintf("[%s] %s/%s.vmx", vm.datastore, vm.name, vm.name)
}

// fits tells whether one more VM may be in work beside others.
func (l runLimits) fits(vm limitedVM, others []limitedVM) bool {
	host, datastore := 0, 0
	for _, other := range others {
		if other.host == vm.host {
			host++
			if other.datastore == vm.datastore {
				datastore++
			}
		}
	}
	return len(others) < l.all && (l.perHost == 0 || host < l.perHost) && (l.perDatastore == 0 || datastore < l.perDatastore)
}

// within tells whether VMs may be in work together.
func (l runLimits) within(vms []limitedVM) bool {
	for i, vm := range vms {
		if !l.fits(vm, vms[:i]) {
			return false
		}
	}
	return true
}

// Eight VMs on two hosts, under each kind of limit: never more are in work than
// allowed, in all, for each host and for each datastore, and none waits that
// would fit.
func TestRunKeepsItsLimits(t *testing.T) {
	for name, limits := range map[string]runLimits{
		"three, one a host": {all: 3, perHost: 1},
		"three, two a host": {all: 3, perHost: 2},
		"one a datastore":   {all: 8, perDatastore: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			house := w.twoHosts()
			jobs := house.limitedJob(limits)
			house.runHeld(jobs, limits)
			house.runFreely(jobs, limits)
		})
	}
}

// twoHosts are VMs on two remote hosts. Their datastores have the same names.
type twoHosts struct {
	*world
	vms []limitedVM
	// hold is where each VM appears whose snapshot is to be merged; it waits
	// until it is removed there.
	hold string
}

func (w *world) twoHosts() *twoHosts {
	w.Helper()
	house := &twoHosts{world: w, hold: w.path("hold")}
	settings := standin.Settings{Pause: "20ms", Cache: guest.Unsafe, Hosts: map[string]standin.RemoteHost{}}
	for _, host := range []string{"esx1", "esx2"} {
		remote := standin.RemoteHost{Type: "esx", User: "backup", Password: "password of " + host, Datastores: map[string]string{}}
		for _, datastore := range []string{"ds1", "fast disks"} {
			remote.Datastores[datastore] = w.path(host, datastore)
			for i := range 2 {
				vm := limitedVM{fmt.Sprintf("%s-%s-%d", host, datastore[:2], i), host, datastore}
				if _, err := lab.MakeVM(w.Context(), lab.Spec{Dir: w.path(host, datastore, vm.name), Name: vm.name, DiskSize: 48 << 20}); err != nil {
					w.Fatal(err)
				}
				house.vms = append(house.vms, vm)
			}
		}
		settings.Hosts[host] = remote
		if err := os.WriteFile(w.path(host+".password"), []byte(remote.Password+"\n"), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	if err := w.vmware.Configure(settings); err != nil {
		w.Fatal(err)
	}
	for _, vm := range house.vms {
		w.tool("vmrun", "-T", "esx", "-h", vm.host, "-u", "backup", "-p", settings.Hosts[vm.host].Password, "start", vm.path(), "nogui")
	}
	w.Cleanup(func() { _ = os.RemoveAll(house.hold) }) // no vmrun waits for ever
	return house
}

// holdingVMRun is a vmrun that waits before it merges a snapshot: while its
// file is in the folder, if there is such a folder.
const holdingVMRun = `#!/bin/sh
merging=
for word; do
	case $word in
	deleteSnapshot) merging=yes ;;
	*.vmx) vm=$(basename "$word" .vmx) ;;
	esac
done
if [ "$merging" ] && [ -d '%[1]s' ]; then
	: >'%[1]s'/"$vm"
	while [ -e '%[1]s'/"$vm" ]; do sleep 0.02; done
fi
exec vmrun "$@"
`

// limitedJob writes a job file of all VMs, and returns its path.
func (house *twoHosts) limitedJob(limits runLimits) string {
	house.Helper()
	program := house.path("vmrun-that-waits")
	var text strings.Builder
	fmt.Fprintf(&text, "limits:\n  parallel: %d\n", limits.all)
	for key, limit := range map[string]int{"parallel-per-host": limits.perHost, "parallel-per-datastore": limits.perDatastore} {
		if limit > 0 {
			fmt.Fprintf(&text, "  %s: %d\n", key, limit)
		}
	}
	text.WriteString("hosts:\n")
	for _, host := range []string{"esx1", "esx2"} {
		fmt.Fprintf(&text, "  %s:\n    type: esx\n    address: https://%s/sdk\n    user: backup\n    vmrun: %s\n    password-file: %s\n    datastores:\n      ds1: %s\n      fast disks: %s\n",
			host, host, program, house.path(host+".password"), house.path(host, "ds1"), house.path(host, "fast disks"))
	}
	text.WriteString("jobs:\n  all:\n    vms:\n")
	for _, vm := range house.vms {
		fmt.Fprintf(&text, "      - vm: %q\n        host: %s\n", vm.path(), vm.host)
	}
	file := house.path("jobs.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		house.Fatal(err)
	}
	if err := os.WriteFile(program, fmt.Appendf(nil, holdingVMRun, house.hold), 0o755); err != nil {
		house.Fatal(err)
	}
	return file
}

// runHeld runs the job while each VM, once its disks are read, is held in work
// until this test lets one go, any one. Each time no VM is left waiting that
// would fit beside those that are held: the others need not end for it to begin.
func (house *twoHosts) runHeld(jobs string, limits runLimits) {
	house.Helper()
	if err := os.Mkdir(house.hold, 0o755); err != nil {
		house.Fatal(err)
	}
	before := len(house.calls())
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	cmd := house.command("granary", "run", "-q", "--config", jobs)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		house.Fatal(err)
	}
	begun := map[limitedVM]bool{}
	for range house.vms {
		var held []limitedVM
		if err := eventually(house.Context(), "no VM waits that would fit", func() bool {
			held = house.held()
			for _, vm := range held {
				begun[vm] = true
			}
			return len(held) > 0 && !slices.ContainsFunc(house.vms, func(vm limitedVM) bool { return !begun[vm] && limits.fits(vm, held) })
		}); err != nil {
			house.Fatalf("seed %d: %v; held are %v, begun %v", seed, err, held, begun)
		}
		if err := os.Remove(filepath.Join(house.hold, held[random.IntN(len(held))].name)); err != nil {
			house.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		house.Fatalf("seed %d: %v\n%s", seed, err, said.String())
	}
	if err := os.Remove(house.hold); err != nil {
		house.Fatal(err)
	}
	house.checkWork(house.calls()[before:], limits)
}

// held are the VMs that wait to be let go.
func (house *twoHosts) held() []limitedVM {
	return slices.DeleteFunc(slices.Clone(house.vms), func(vm limitedVM) bool { return !exists(filepath.Join(house.hold, vm.name)) })
}

// runFreely runs the job, with merges that take their time.
func (house *twoHosts) runFreely(jobs string, limits runLimits) {
	house.Helper()
	if err := house.vmware.SetFaults(standin.Fault{Verb: "deleteSnapshot", DelayBefore: "200ms..600ms"}); err != nil {
		house.Fatal(err)
	}
	before := len(house.calls())
	out := house.must("run", "--json", "--config", jobs)
	wall, single := 0.0, 0.0
	for _, e := range runEvents(house.T, out) {
		switch e.Event {
		case "captured":
			single += e.Duration
		case "summary":
			wall = e.Duration
		}
	}
	house.checkWork(house.calls()[before:], limits)
	house.Logf("the job took %.1fs, its VMs %.1fs: a ratio of %.2f", wall, single, wall/single)
}

func (house *twoHosts) calls() []standin.Call {
	house.Helper()
	calls, err := house.vmware.Calls()
	if err != nil {
		house.Fatal(err)
	}
	return calls
}

// work is a VM's time in work: from vmrun's first call for it to the end of its
// last.
type work struct {
	vm         limitedVM
	begin, end time.Time
}

// checkWork proves from vmrun's calls that never more VMs were in work than
// allowed, and that no VM was captured from beginning to end while another one
// waited that would have fitted beside it all the time.
func (house *twoHosts) checkWork(calls []standin.Call, limits runLimits) {
	house.Helper()
	all := house.workOf(calls)
	for _, w := range all {
		if others := inWork(all, w.begin); !limits.within(others) {
			house.Errorf("more were in work than allowed: %v", others)
		}
		for _, late := range all {
			if late.begin.After(w.end) && fitsThroughout(all, limits, late.vm, w) {
				house.Errorf("%v waited while %v was captured, beside which it would have fitted", late.vm, w.vm)
			}
		}
	}
}

// workOf finds out from calls when each VM was in work.
func (house *twoHosts) workOf(calls []standin.Call) []work {
	house.Helper()
	var all []work
	for _, vm := range house.vms {
		w := work{vm: vm}
		for _, c := range calls {
			if c.Host != vm.host || c.VMX != vm.path() {
				continue
			}
			if c.Exit != 0 {
				house.Errorf("vmrun %s of %v ended with %d: %s", c.Verb, vm, c.Exit, c.Detail)
			}
			if w.begin.IsZero() {
				w.begin = c.Start
			}
			w.end = c.End
		}
		if w.begin.IsZero() {
			house.Fatalf("vmrun was never called for %v", vm)
		}
		all = append(all, w)
	}
	return all
}

// inWork are the VMs in work at a moment.
func inWork(all []work, at time.Time) []limitedVM {
	var vms []limitedVM
	for _, w := range all {
		if !at.Before(w.begin) && at.Before(w.end) {
			vms = append(vms, w.vm)
		}
	}
	return vms
}

// fitsThroughout tells whether a VM would have fitted at each moment of
// another's work. There is no more in work at any other than when one begins.
func fitsThroughout(all []work, limits runLimits, vm limitedVM, during work) bool {
	for _, w := range all {
		if !w.begin.Before(during.begin) && w.begin.Before(during.end) && !limits.fits(vm, inWork(all, w.begin)) {
			return false
		}
	}
	return true
}

// runEvent is a line of `run --json`.
type runEvent struct {
	Event, VM, Generation string
	Duration              float64 `json:"duration_seconds"`
}

// runEvents are the lines of `run --json`, the last of which may be cut off.
func runEvents(t *testing.T, out string) []runEvent {
	t.Helper()
	var events []runEvent
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var e runEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}
