package integration

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"granary/integration/standin"
)

// tableGroup is a verb of vmrun in a method that calls it.
type tableGroup struct {
	name   string // beside verb and method
	verb   string
	method string
	found  string // how the VM is found: running unless set
	from   int    // the first call of the verb that is hit, 1 unless set
	steps  string // the verb's names in the flag --deadline
	flags  []string
	beside []standin.Fault // what else goes wrong
	lies   []string        // what it may print that is not so
	pause  string          // of the guest after each write, 100ms unless set
	sparse bool            // another group has all of the verb's errors
	rule   func(tableGroup, tableCase) want
}

// Outputs that are not so.
var (
	nothing    = []string{""}
	noneRuns   = []string{"", "Total running VMs: 0"}
	freezeThaw = []string{"--freeze", "/sbin/freeze", "--thaw", "/sbin/thaw", "--guest-user", "root"}
)

// tableGroups are all verbs in all methods that call them. Each has a world and
// a VM of its own. Those that take longest begin.
var tableGroups = []tableGroup{
	{verb: "stop", method: "stop-snapshot", steps: "stop", lies: nothing, rule: ruleStop},
	{name: "hard", verb: "stop", method: "stop", steps: "stop stop-hard", flags: []string{"--hard-stop"}, sparse: true, rule: ruleHardStop},
	{verb: "stop", method: "stop", steps: "stop", sparse: true, rule: ruleStop},
	{verb: "suspend", method: "suspend", steps: "suspend", lies: nothing, rule: ruleSuspend},
	{verb: "start", method: "stop-snapshot", steps: "start", lies: nothing, rule: ruleStart},
	{verb: "start", method: "stop", steps: "start", lies: nothing, sparse: true, rule: ruleStart},
	{verb: "start", method: "suspend", steps: "start", lies: nothing, sparse: true, rule: ruleStart},
	{verb: "deleteSnapshot", method: "stop-snapshot", steps: "delete-snapshot", lies: nothing, rule: ruleDelete},
	{verb: "deleteSnapshot", method: "snapshot", steps: "delete-snapshot", lies: nothing, sparse: true, rule: ruleDelete},
	{name: "freeze", verb: "runProgramInGuest", method: "snapshot", steps: "guest", flags: freezeThaw, rule: ruleFreeze},
	{name: "thaw", verb: "runProgramInGuest", method: "snapshot", from: 2, steps: "guest", flags: freezeThaw, sparse: true, rule: ruleThaw},
	{verb: "snapshot", method: "stop-snapshot", steps: "snapshot", lies: nothing, rule: ruleSnapshot},
	{verb: "snapshot", method: "snapshot", steps: "snapshot", lies: nothing, sparse: true, rule: ruleSnapshot},
	{name: "while quiesced", verb: "list", method: "stop-snapshot", from: 2, steps: "query", sparse: true, rule: ruleListLater},
	{verb: "listSnapshots", method: "stop-snapshot", steps: "query", lies: nothing, rule: ruleListSnapshots},
	{name: "after a failure", verb: "listSnapshots", method: "snapshot", steps: "query", lies: nothing, sparse: true, rule: ruleListAfterFailure,
		beside: []standin.Fault{{Verb: "snapshot", Do: standin.Fail, At: standin.After, Text: "Error: " + canceled}}},
	{verb: "list", method: "stop-snapshot", steps: "query", lies: noneRuns, rule: ruleList},
	{verb: "list", method: "snapshot", steps: "query", lies: noneRuns, sparse: true, rule: ruleList},
	{verb: "list", method: "stop-snapshot", found: "off", steps: "query", lies: nothing, sparse: true, rule: ruleList},
	{verb: "list", method: "stop-snapshot", found: "suspended", steps: "query", lies: nothing, sparse: true, rule: ruleList},
	{name: "after reading", verb: "list", method: "none", found: "off", from: 2, steps: "query", lies: nothing, sparse: true, rule: ruleList},
	{verb: "version", method: "stop-snapshot", steps: "query", lies: nothing, rule: ruleVersion},
	{verb: "version", method: "stop-snapshot", found: "off", steps: "query", lies: nothing, sparse: true, rule: ruleVersion},
	{verb: "version", method: "stop-snapshot", found: "suspended", steps: "query", lies: nothing, sparse: true, rule: ruleVersion},
}

func (g tableGroup) String() string {
	parts := []string{g.verb, g.name, g.method, g.found}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// consistency is that of a generation where all goes well.
func (g tableGroup) consistency() string {
	switch g.found {
	case "off":
		return "offline"
	case "suspended":
		return "suspended"
	}
	return consistencies[g.method]
}

// groupsAtOnce keeps the processors busy although most cases wait most of the
// time: the tests of this binary that run in parallel are far fewer.
const groupsAtOnce = 10

// Each verb of vmrun, by each method that calls it, with each fault: granary
// ends with the right status, message and hint, and the VM is back as it was
// found, at the latest after granary recover.
func TestEachVerbWithEachFault(t *testing.T) {
	var cases atomic.Int64
	var groups errgroup.Group
	groups.SetLimit(groupsAtOnce)
	for turn, g := range tableGroups {
		groups.Go(func() error {
			t.Run(g.String(), func(t *testing.T) {
				var bench *tableBench
				for i, c := range g.cases(turn) {
					if bench == nil {
						bench = newTableBench(t, g)
					}
					if !t.Run(c.name, func(t *testing.T) { bench.on(t).try(c, i%sampled == 0) }) {
						bench = nil // whatever the case left is not the next one's fault
					}
					cases.Add(1)
				}
			})
			return nil
		})
	}
	if err := groups.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cases", cases.Load())
}

// A guest that happens not to write does not show that its disks are live: that
// a snapshot was taken has to be seen.
func TestSnapshotThatWasNotTaken(t *testing.T) {
	for _, method := range []string{"stop-snapshot", "snapshot"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			g := tableGroup{verb: "snapshot", method: method, lies: nothing, pause: "3s", rule: ruleSnapshot}
			for _, c := range g.cases(0) {
				if c.nature == lies {
					newTableBench(t, g).try(c, false)
				}
			}
		})
	}
}
