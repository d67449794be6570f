package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"granary/integration/lab"
	"granary/integration/standin"
)

// hostileNames are names that a careless program would run, expand, cut, fold
// or tear. $CANARY is a file that does not exist, $VICTIM one that does.
var hostileNames = []struct{ about, name string }{
	{"quotes", ` "two"  'words' |22 \back\ `},
	{"umlauts", "Prüfstand für Ärger 雪 \u202egnp"},
	{"commands", ";rm -rf $VICTIM; touch $CANARY #"},
	{"substitutions", "$(touch $CANARY)`touch $CANARY`"},
	{"newlines", "first\nError: second\r\n\ttouch $CANARY"},
	{"200 characters", strings.Repeat("long name ", 20)},
	{"not UTF-8", "caf\xe9 \xff\xfe"},
	{"a flag", "-rf"},
	{"dots", ".."},
	{"percent signs", "100%s%n%d%41%"},
	{"a pattern", "*?[a-z]{x,y}~"},
	{"a datastore", "[ds] web, a=b"},
}

// methods are all ways to keep a guest still, in turn.
var methods = []string{"stop-snapshot", "snapshot", "stop", "suspend", "none"}

// hostileHouse is a host full of VMs of such names, with a bystander.
type hostileHouse struct {
	*world
	vms        []*lab.VM
	bystander  *lab.VM
	untouched  map[string]string // sums of the bystander
	mayBeThere []string          // in the world's folder
}

func newHostileHouse(t *testing.T) *hostileHouse {
	h := &hostileHouse{world: newWorld(t)}
	h.env = append(h.env, "CANARY="+h.path("canary"), "VICTIM="+h.path("victim"), "SCRIPTS="+h.path("scripts"))
	for _, dir := range []string{"victim", "scripts"} {
		if err := os.Mkdir(h.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.bystander = h.makeVM(lab.Spec{})
	h.untouched = h.sums(h.bystander.Dir)
	for _, entry := range hostileNames {
		vm, err := lab.MakeVM(t.Context(), lab.Spec{Dir: h.path("vms", entry.name+".vm"), Name: entry.name, DiskSize: 48 << 20})
		if err != nil {
			t.Fatal(err)
		}
		h.vms = append(h.vms, vm)
	}
	h.mayBeThere = []string{"granary.prom", "jobs.yaml", "mount", "repo", "restored", "scripts", "state", "teams", "victim", "vms", "vmware"}
	return h
}

// nothingHappened fails if a name was run, or something written where nothing
// belongs.
func (h *hostileHouse) nothingHappened() {
	h.Helper()
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(h.mayBeThere, e.Name()) {
			h.Errorf("there is now %q", e.Name())
		}
	}
	if !exists(h.path("victim")) {
		h.Error("the victim is gone")
	}
	h.sameFiles("the bystander", h.sums(h.bystander.Dir), h.untouched)
	folders, err := os.ReadDir(h.path("vms"))
	if err != nil || len(folders) != len(h.vms)+1 {
		h.Errorf("folders of VMs: %q, %v", folders, err)
	}
	calls, err := h.vmware.Calls()
	if err != nil {
		h.Fatal(err)
	}
	for _, c := range calls {
		if c.VMX != "" && !slices.ContainsFunc(h.vms, func(vm *lab.VM) bool { return vm.VMX == c.VMX }) {
			h.Errorf("vmrun %s was called for %q", c.Verb, c.VMX)
		}
	}
}

// Names go through every command as they are: nothing is run, nothing is lost,
// and nothing else is touched.
func TestHostileNames(t *testing.T) {
	h := newHostileHouse(t)
	for i, vm := range h.vms {
		method := methods[i%len(methods)]
		t.Run(hostileNames[i].about+", "+method, func(t *testing.T) { h.on(t).takenBy(method, vm, vm.Name) })
	}
	var generations map[string]captured
	t.Run("a job", func(t *testing.T) { generations = h.on(t).takenByJob() })
	t.Run("a team", func(t *testing.T) { h.on(t).takenAsTeam() })
	t.Run("told", func(t *testing.T) { h.on(t).told() })
	t.Run("brought back", func(t *testing.T) { h.on(t).broughtBack(generations) })
	for i, vm := range h.vms {
		t.Run(hostileNames[i].about+", killed", func(t *testing.T) { h.on(t).killedAndRecovered(vm) })
	}
	h.nothingHappened()
}

// on is the world in a subtest.
func (w *world) on(t *testing.T) *world {
	copied := *w
	copied.T = t
	return &copied
}

// on is the house in a subtest.
func (h *hostileHouse) on(t *testing.T) *hostileHouse {
	copied := *h
	copied.world = h.world.on(t)
	return &copied
}

// takenBy captures a VM that has a foreign snapshot of a name, and restores it.
func (h *hostileHouse) takenBy(method string, vm *lab.VM, snapshot string) {
	h.tool("vmrun", "snapshot", vm.VMX, snapshot)
	snapshots := h.tool("vmrun", "listSnapshots", vm.VMX)
	running := method != "none"
	if running {
		h.start(vm)
	}
	// A name of a flag's form is safe behind the double dash, one of a
	// datastore's form behind a dot.
	folder := filepath.Base(vm.Dir)
	if strings.HasPrefix(folder, "[") {
		folder = "./" + folder
	}
	cmd := h.command("granary", "capture", "--json", "--quiesce", method, "--", folder)
	cmd.Dir = filepath.Dir(vm.Dir)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		h.Fatalf("capture: %v\n%s", err, said.String())
	}
	var c captured
	if err := json.Unmarshal(out, &c); err != nil {
		h.Fatalf("%v: %s", err, out)
	}
	h.asItWas(vm, running)
	if now := h.tool("vmrun", "listSnapshots", vm.VMX); now != snapshots {
		h.Errorf("the snapshots were\n%sand are\n%s", snapshots, now)
	}
	if running {
		h.tool("vmrun", "stop", vm.VMX, "hard")
	}
	to := h.path("restored", c.Generation+method)
	h.must("restore", "--to", to, "--", c.VM+"@"+c.Generation)
	h.onePointInTime(filepath.Join(to, filepath.Base(vm.VMX)))
}

// yamlText is a text as YAML has it between double quotes, which is as in JSON.
func yamlText(text string) string {
	b, err := json.Marshal(text)
	if err != nil || !utf8.ValidString(text) {
		panic("no text for YAML: " + text)
	}
	return string(b)
}

// takenByJob lets granary run capture all VMs, by name and by pattern, and
// returns their generations by .vmx.
func (h *hostileHouse) takenByJob() map[string]captured {
	var list strings.Builder
	for _, vm := range h.vms {
		if utf8.ValidString(vm.VMX) {
			fmt.Fprintf(&list, "      - %s\n", yamlText(vm.VMX))
		}
	}
	jobs := "jobs:\n  $(touch $CANARY):\n    vm-before: [touch, --, " + yamlText(h.path("scripts", "$(touch $CANARY) ;touch $CANARY")) + "]\n" +
		"    vm-after: env -0 > \"$SCRIPTS/env.$$\"\n    vms:\n" + list.String() + "      - " + yamlText(h.path("vms", "*.vm", "*.vmx")) + "\n"
	if err := os.WriteFile(h.path("jobs.yaml"), []byte(jobs), 0o644); err != nil {
		h.Fatal(err)
	}
	h.must("run", "--check", "--config", h.path("jobs.yaml"))
	out := h.must("run", "--json", "--config", h.path("jobs.yaml"), "--metrics", h.path("granary.prom"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			h.Errorf("not JSON: %s", line)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, fmt.Sprintf(`"captured":%d,`, len(h.vms))) {
		h.Errorf("not every VM is captured once: %s", last)
	}
	return h.generationsToldToScripts()
}

// takenAsTeam captures two of the VMs as a team, whose file has a name that would
// steer a terminal.
func (h *hostileHouse) takenAsTeam() {
	made, err := lab.MakeTeam(h.path("teams"), "shop", h.vms[1].VMX, h.vms[2].VMX)
	if err != nil {
		h.Fatal(err)
	}
	team := h.path("teams", "first\nsecond\x1b[31m $(touch $CANARY).vmtm")
	if err := os.Rename(made, team); err != nil {
		h.Fatal(err)
	}
	if out := h.must("capture", "--json", team); strings.Count(out, `"event":"captured"`) != 2 {
		h.Errorf("a team of two: %s", out)
	}
}

// generationsToldToScripts reads what the after-scripts found in their
// environment: exactly the VM's path, byte for byte.
func (h *hostileHouse) generationsToldToScripts() map[string]captured {
	dumps, err := filepath.Glob(h.path("scripts", "env.*"))
	if err != nil {
		h.Fatal(err)
	}
	told := map[string]captured{}
	for _, dump := range dumps {
		data, err := os.ReadFile(dump)
		if err != nil {
			h.Fatal(err)
		}
		variables := map[string]string{}
		for variable := range strings.SplitSeq(string(data), "\x00") {
			name, value, _ := strings.Cut(variable, "=")
			variables[name] = value
		}
		vm, generation, _ := strings.Cut(variables["GRANARY_GENERATION"], "@")
		if variables["GRANARY_OUTCOME"] != "captured" || variables["GRANARY_VM"] != vm || variables["GRANARY_JOB"] != "$(touch $CANARY)" {
			h.Errorf("a script was told %q", variables)
		}
		told[variables["GRANARY_VMX"]] = captured{VM: vm, Generation: generation}
	}
	for _, vm := range h.vms {
		if told[vm.VMX].Generation == "" {
			h.Errorf("no script was told of %q; they were of %q", vm.VMX, slices.Collect(maps.Keys(told)))
		}
	}
	return told
}

// metricLine is a line of Prometheus's exposition.
var metricLine = regexp.MustCompile(`^(#.*|[a-z_]+(\{([a-z]+="([^"\\\n]|\\[\\"n])*",?)*\})? [0-9.e+-]+)$`)

// told lets every command that tells of VMs tell of these. Of a name with line
// breaks only one line is told.
func (h *hostileHouse) told() {
	generations := 2*len(h.vms) + 2 // each by itself and by the job, two as a team
	var list []captured
	if err := json.Unmarshal([]byte(h.must("list", "--json")), &list); err != nil || len(list) != generations {
		h.Errorf("list --json: %d generations, want %d; %v", len(list), generations, err)
	}
	if out := h.must("list"); strings.Count(out, "\n") != 1+generations || strings.ContainsAny(out, "\x1b\r") {
		h.Errorf("list does not print a line for each of %d generations:\n%q", generations, out)
	}
	var status []struct{ VM string }
	if err := json.Unmarshal([]byte(h.must("status", "--json")), &status); err != nil || len(status) != len(h.vms) {
		h.Errorf("status --json: %d VMs, want %d; %v", len(status), len(h.vms), err)
	}
	if n := strings.Count(h.must("status"), "\n"); n != 1+len(h.vms) {
		h.Errorf("status prints %d lines for %d VMs", n, len(h.vms))
	}
	for _, c := range list {
		name := c.VM + "@" + c.Generation
		if out := h.must("show", "--json", "--", name); !json.Valid([]byte(out)) {
			h.Errorf("show --json %q: %s", name, out)
		}
	}
	// facts and files are one line each, whatever they hold.
	if out := h.must("show", "--", list[0].VM); strings.ContainsAny(out, "\x1b\r") {
		h.Errorf("show lets a name steer the terminal: %q", out)
	}
	metrics, err := os.ReadFile(h.path("granary.prom"))
	if err != nil {
		h.Fatal(err)
	}
	for line := range strings.Lines(string(metrics)) {
		if !metricLine.MatchString(strings.TrimSuffix(line, "\n")) {
			h.Errorf("no line of metrics: %q", line)
		}
	}
}

// broughtBack compares what is mounted and what is restored with the VMs, which
// are off and have not changed since.
func (h *hostileHouse) broughtBack(generations map[string]captured) {
	mount := h.mount()
	for _, vm := range h.vms {
		g, want := generations[vm.VMX], h.sums(vm.Dir)
		h.sameFiles("mounted "+g.VM, h.sumsOfAnyName(filepath.Join(mount, g.VM, g.Generation)), want)
		to := h.path("restored", "-- "+filepath.Base(vm.Dir))
		h.must("restore", "--to", to, "--", g.VM+"@"+g.Generation)
		h.sameFiles("restored "+g.VM, h.sums(to), want)
		one := h.path("restored", "one of "+filepath.Base(vm.Dir))
		h.must("restore", "--to", one, "--", g.VM+"@"+g.Generation, filepath.Base(vm.VMX))
		if got := h.sums(one); len(got) != 1 || got[filepath.Base(vm.VMX)] != want[filepath.Base(vm.VMX)] {
			h.Errorf("restored %q alone: %q", filepath.Base(vm.VMX), got)
		}
	}
}

// sumsOfAnyName is sumsByOthers for names that hold line breaks.
func (h *hostileHouse) sumsOfAnyName(dir string) map[string]string {
	h.Helper()
	sums := map[string]string{}
	for line := range strings.SplitSeq(h.tool("sh", "-c", `cd "$1" && find . -type f -exec sha256sum -z {} +`, "sh", dir), "\x00") {
		if sum, name, ok := strings.Cut(line, "  "); ok {
			sums[strings.TrimPrefix(name, "./")] = sum
		}
	}
	return sums
}

// killedAndRecovered kills granary while it has the guest down. The journal
// leads recover to the VM, whatever it is called.
func (h *hostileHouse) killedAndRecovered(vm *lab.VM) {
	snapshots := h.tool("vmrun", "listSnapshots", vm.VMX)
	h.start(vm)
	defer h.tool("vmrun", "stop", vm.VMX, "hard")
	if err := h.vmware.SetFaults(standin.Fault{Verb: "snapshot", Do: standin.Hang, At: standin.After}); err != nil {
		h.Fatal(err)
	}
	h.killInVerb("stop-snapshot", "snapshot", vm)
	if err := h.vmware.SetFaults(); err != nil {
		h.Fatal(err)
	}
	if o := h.granary("status", "--json"); o.status != 3 || !json.Valid([]byte(o.stdout)) {
		h.Errorf("status while a journal waits: exit status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	if o := h.granary("recover", "--json"); o.status != 0 || !json.Valid([]byte(o.stdout)) {
		h.Errorf("recover: exit status %d\n%s%s", o.status, o.stdout, o.stderr)
	}
	h.asItWas(vm, true)
	if h.Failed() {
		// What is left of this VM is no matter of the next.
		h.tool("rm", "-r", h.path("state", "journals"))
		h.run("vmrun", "start", vm.VMX, "nogui")
	}
	if now := h.tool("vmrun", "listSnapshots", vm.VMX); now != snapshots {
		h.Errorf("the snapshots were\n%sand are\n%s", snapshots, now)
	}
}

// A team finds its members by their names as they are.
func TestHostileTeamMembers(t *testing.T) {
	for about, name := range map[string]string{"back slashes": `back\slash`, "a blank in front": " blank", "line breaks": "first\nsecond", "marks of XML": `<VM> & "co"`} {
		t.Run(about, func(t *testing.T) {
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{Name: name})
			team, err := lab.MakeTeam(vm.Dir, "shop", vm.VMX)
			if err != nil {
				t.Fatal(err)
			}
			if out := w.must("capture", "--dry-run", "--json", team); !strings.Contains(out, `"problems":[]`) {
				t.Errorf("the team would not be captured: %s", out)
			}
		})
	}
}
