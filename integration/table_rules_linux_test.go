package integration

import "granary/integration/standin"

// want is what granary has to make of a fault. In each case the VM is as it was
// found, at once or, where a journal waits, after granary recover.
type want struct {
	status      int
	consistency string   // of the generation; empty if there is none
	says        []string // parts of the line with the error; empty if that is not fixed
	hint        string   // part of the hint behind it; empty for none
	recovers    bool     // the hint ends with granary recover
	warns       []string // parts of a warning
	journal     bool     // waits for granary recover
}

// fine: all is well.
func fine(consistency string) want { return want{consistency: consistency} }

// failed: there is no generation, and the error is the verb's.
func (g tableGroup) failed(c tableCase) want {
	return want{status: 1, says: []string{"vmrun " + g.verb, c.words}, hint: c.hint}
}

// seenRunning: vmrun says that the VM does not run, and its files tell better.
var seenRunning = want{status: 1, says: []string{"virtual machine is running"}, hint: "stop the VM"}

// unfinished: the generation is safe, but not all is well.
func (g tableGroup) unfinished(c tableCase, consistency string) want {
	return want{status: 3, consistency: consistency, says: []string{"is safe, but", "vmrun " + g.verb, c.words}, hint: c.hint, recovers: true}
}

// waiting is unfinished, and the VM is not as it was found.
func (g tableGroup) waiting(c tableCase, consistency string) want {
	w := g.unfinished(c, consistency)
	w.journal = true
	return w
}

// consistencies of a VM that runs, by method.
var consistencies = map[string]string{"stop-snapshot": "clean", "stop": "clean", "suspend": "suspended", "snapshot": "crash"}

// ruleVersion: the version is nice to know.
func ruleVersion(g tableGroup, c tableCase) want {
	w := fine(g.consistency())
	if !c.succeeds() {
		w.warns = []string{"the program's version is unknown: vmrun version: ", c.words}
	}
	return w
}

// ruleList: without a list nothing is known of the VM, and nothing done to it.
func ruleList(g tableGroup, c tableCase) want {
	switch {
	case c.succeeds():
		return fine(g.consistency())
	case c.nature == lies && c.fault.Text != "":
		return seenRunning
	}
	return g.failed(c)
}

// ruleListLater: a guest that is down is started again when the list is there
// again; until then it waits for recovery.
func ruleListLater(g tableGroup, c tableCase) want {
	if c.succeeds() || !c.always {
		return fine(g.consistency())
	}
	return g.waiting(c, g.consistency())
}

// ruleStop: what counts is whether the guest is down.
func ruleStop(g tableGroup, c tableCase) want {
	switch {
	case c.succeeds() || c.at() != standin.Before:
		return fine("clean")
	case c.text == notPoweredOn || c.nature == lies:
		return seenRunning
	}
	return g.failed(c)
}

// ruleHardStop: a guest that does not stop softly is stopped by force.
func ruleHardStop(g tableGroup, c tableCase) want {
	w := ruleStop(g, c)
	if w.status != 0 && !c.always && c.text != notPoweredOn {
		w = fine("crash")
		w.warns = []string{"it is stopped hard, as asked for"}
	}
	return w
}

// ruleSuspend: the guest has to be down, and its state saved.
func ruleSuspend(g tableGroup, c tableCase) want {
	switch {
	case c.succeeds() || c.at() == standin.After:
		return fine("suspended")
	case c.at() == standin.Midway:
		return want{status: 1, says: []string{"no .vmss file holds its state"}}
	case c.nature == lies:
		return seenRunning
	}
	return g.failed(c)
}

// ruleSnapshot: one that failed may be half done, and a second of its name
// could never be deleted.
func ruleSnapshot(g tableGroup, c tableCase) want {
	switch c.nature {
	case works:
		return fine(g.consistency())
	case lies:
		return want{status: 1}
	}
	return g.failed(c)
}

// ruleStart: what counts is whether the guest runs.
func ruleStart(g tableGroup, c tableCase) want {
	switch {
	case c.succeeds() || !c.always || c.at() != standin.Before:
		return fine(g.consistency())
	case c.text == alreadyRunning || c.nature == lies:
		return want{status: 3, consistency: g.consistency(), journal: true}
	}
	return g.waiting(c, g.consistency())
}

// ruleDelete: a merge that failed may be half done, unless a second one finds
// nothing left to do.
func ruleDelete(g tableGroup, c tableCase) want {
	gone := c.at() == standin.After
	switch {
	case c.succeeds() || gone && (c.nature == passes || c.text == noSnapshot):
		return fine(g.consistency())
	case c.text == noSnapshot || c.nature == lies:
		return want{status: 3, consistency: g.consistency(), journal: true}
	}
	return g.waiting(c, g.consistency())
}

// ruleListSnapshots: whether a snapshot is to be deleted is asked once.
func ruleListSnapshots(g tableGroup, c tableCase) want {
	if c.succeeds() {
		return fine(g.consistency())
	}
	return g.waiting(c, g.consistency())
}

// ruleListAfterFailure: the snapshot was taken and is said to have failed, and
// only the list can tell. The error is the snapshot's.
func ruleListAfterFailure(_ tableGroup, c tableCase) want {
	w := want{status: 1, says: []string{"vmrun snapshot", canceled}, hint: dialogHint}
	if !c.succeeds() && c.always {
		w.says = append(w.says, "the VM could not be brought back", "vmrun listSnapshots", c.words)
		w.journal = true
	}
	return w
}

// ruleFreeze: a guest that may not be frozen is captured all the same, and
// thawed. Thawing it fails, too, where every call does.
func ruleFreeze(g tableGroup, c tableCase) want {
	w := ruleThaw(g, c)
	if w.status != 0 && !c.always {
		w.says = append(w.says, "it is captured crash-consistent")
	}
	return w
}

// ruleThaw: nobody knows what the program has done, so it is not repeated at
// once, only at the end.
func ruleThaw(g tableGroup, c tableCase) want {
	switch {
	case c.nature == works:
		return fine("application")
	case c.always:
		return g.waiting(c, "crash")
	}
	return g.unfinished(c, "crash")
}
