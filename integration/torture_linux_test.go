package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"granary/integration/lab"
)

// tortured is a VM that runs of granary are killed over.
type tortured struct {
	method string
	spec   lab.Spec
	off    bool

	vm    *lab.VM
	disks []string // that its .vmx names
	chain string   // its snapshots, as vmrun lists them
}

// kill -9 of granary run at any moment, and now and then of the recovery after
// it, while what vmrun had begun goes on: granary recover brings every VM back,
// leaves foreign snapshots alone and none of granary's, and every generation is
// whole, all that were reported among them.
//
// GRANARY_TORTURE is how many runs are killed, GRANARY_TORTURE_SEED repeats the
// moments of a test that failed.
func TestKilledRun(t *testing.T) {
	kills := int(environmentNumber(t, "GRANARY_TORTURE", 25))
	seed := environmentNumber(t, "GRANARY_TORTURE_SEED", rand.Uint64())
	t.Logf("%d kills, GRANARY_TORTURE_SEED=%d", kills, seed)
	random := rand.New(rand.NewPCG(seed, 1))
	h := newTortureHouse(t)
	h.undisturbed() // the first one reads all there is
	whole, broughtBack := h.undisturbed(), 0
	for kill := range kills {
		after := time.Duration(random.Float64() * float64(whole))
		recovery := time.Duration(random.Float64() * float64(4*whole))
		h.killed(after, "run", "--json", "--config", h.jobs)
		if recovery < whole {
			h.killed(recovery, "recover", "-q")
		}
		broughtBack += strings.Count(h.must("recover", "-q", "--json"), "\n")
		for _, m := range h.machines {
			h.asBefore(m)
		}
		if kill%10 == 9 {
			whole = h.undisturbed()
			h.prove()
		}
		if t.Failed() {
			logFailedCalls(t, h.vmware)
			t.Fatalf("kill %d, after %v of granary run, with seed %d", kill, after, seed)
		}
	}
	h.undisturbed()
	h.prove()
	for _, m := range h.machines {
		h.asBefore(m)
		if !m.off {
			h.tool("vmrun", "stop", m.vm.VMX, "soft")
		}
		h.onePointInTime(m.vm.VMX)
	}
	t.Logf("%d VMs were brought back; %d generations are whole, %d of them were reported before a kill", broughtBack, len(h.proven), len(h.reported))
}

// environmentNumber is what a variable says, or else a default.
func environmentNumber(t *testing.T, name string, unset uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return unset
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// tortureHouse are VMs, a job of all of them, and what became of it.
type tortureHouse struct {
	*world
	machines []*tortured
	jobs     string
	reported map[string]bool // generations, as VM@GENERATION
	proven   map[string]bool // those that were restored and verified
}

// newTortureHouse has a VM of each method, one of them with a snapshot of its
// operator's, and one that is off.
func newTortureHouse(t *testing.T) *tortureHouse {
	h := &tortureHouse{world: newWorld(t), reported: map[string]bool{}, proven: map[string]bool{}}
	h.jobs = h.path("jobs.yaml")
	jobs := "limits: {parallel: 2}\njobs:\n  all:\n    settle: 1s\n    vms:\n"
	for _, m := range []*tortured{
		{method: "stop-snapshot", spec: lab.Spec{Disks: 2, Chain: 1}},
		{method: "suspend", spec: lab.Spec{MemSize: 4}},
		{method: "snapshot", spec: lab.Spec{}},
		{method: "stop", spec: lab.Spec{}},
		{method: "stop-snapshot", spec: lab.Spec{}, off: true},
	} {
		m.spec.Name = m.method
		if m.off {
			m.spec.Name = "off"
		}
		m.vm = h.makeVM(m.spec)
		if !m.off {
			h.start(m.vm)
		}
		m.disks, m.chain = h.look(m)
		h.machines = append(h.machines, m)
		jobs += fmt.Sprintf("      - {vm: %q, quiesce: %s}\n", m.vm.VMX, m.method)
	}
	if err := os.WriteFile(h.jobs, []byte(jobs), 0o644); err != nil {
		t.Fatal(err)
	}
	return h
}

// look tells the disks that a VM writes to, and its snapshots.
func (h *tortureHouse) look(m *tortured) (disks []string, chain string) {
	h.Helper()
	disks, err := m.vm.Disks()
	if err != nil {
		h.Fatal(err)
	}
	return disks, h.tool("vmrun", "listSnapshots", m.vm.VMX)
}

// asBefore fails unless a VM is as it was before all runs.
func (h *tortureHouse) asBefore(m *tortured) {
	h.Helper()
	h.asItWas(m.vm, !m.off)
	disks, chain := h.look(m)
	if chain != m.chain {
		h.Errorf("%s: the snapshots were\n%sand are\n%s", m.vm.Name, m.chain, chain)
	}
	if !slices.Equal(disks, m.disks) {
		h.Errorf("%s: the disks were %q and are %q", m.vm.Name, m.disks, disks)
	}
}

// undisturbed runs the job to its end and tells how long that takes.
func (h *tortureHouse) undisturbed() time.Duration {
	h.Helper()
	began := time.Now()
	h.must("run", "-q", "--config", h.jobs)
	took := time.Since(began)
	h.Logf("an undisturbed run takes %v", took.Round(time.Millisecond))
	return took
}

// killed kills granary after a while, and notes what it had reported.
func (h *tortureHouse) killed(after time.Duration, args ...string) {
	h.Helper()
	cmd := h.command("granary", args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, e := range runEvents(h.T, out.String()) {
		if e.Event == "captured" {
			h.reported[e.VM+"@"+e.Generation] = true
		}
	}
}

// prove fails unless all that was reported is there, and all that is there
// and was not proven before is whole.
func (h *tortureHouse) prove() {
	h.Helper()
	h.must("check", "--read-data", "-q")
	var list []captured
	if err := json.Unmarshal([]byte(h.must("list", "--json")), &list); err != nil {
		h.Fatal(err)
	}
	listed := map[string]bool{}
	for _, g := range list {
		name := g.VM + "@" + g.Generation
		listed[name] = true
		if !h.proven[name] {
			h.proveGeneration(g)
			h.proven[name] = true
		}
	}
	for name := range h.reported {
		if !listed[name] {
			h.Errorf("%s was reported and is gone", name)
		}
	}
}

// proveGeneration restores a generation, and has the guest's stamps prove that its disks
// are of one time, the one at which its method keeps them still.
func (h *tortureHouse) proveGeneration(g captured) {
	h.Helper()
	m := h.machines[slices.IndexFunc(h.machines, func(m *tortured) bool { return m.vm.Name == g.VM })]
	to := h.path("restored", g.VM, g.Generation)
	h.must("restore", "-q", g.VM+"@"+g.Generation, "--to", to)
	flag := map[string]string{"stop-snapshot": "clean-shutdown", "stop": "clean-shutdown", "suspend": "suspended", "snapshot": "running"}[m.method]
	if m.off {
		flag = ""
	}
	if proof := h.onePointInTime(filepath.Join(to, filepath.Base(m.vm.VMX))); !strings.Contains(proof, flag) {
		h.Errorf("%s@%s: the guest was %s, want %s", g.VM, g.Generation, proof, flag)
	}
	if err := os.RemoveAll(to); err != nil {
		h.Fatal(err)
	}
}
