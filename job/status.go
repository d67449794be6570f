package job

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"granary/capture"
	"granary/repo"
)

// VMStatus is how well a VM is backed up.
type VMStatus struct {
	VM string
	// Newest is its newest generation, nil if it has none; Count is how many.
	Newest *repo.Generation
	Count  int
	// Last is what became of the last attempt of this host, nil if it knows of
	// none.
	Last *Attempt
	// Working tells that the VM is being captured now.
	Working bool
	// Snapshots are those of granary's that the VM has now.
	Snapshots []string
	// Needs are reasons why a person has to look, each a sentence; none if all
	// is well.
	Needs []string
}

// Survey is what is looked at for the status of all VMs.
type Survey struct {
	Listing  *repo.Listing
	Records  []Record
	Waiting  []string      // VMs whose journals wait, as capture.Pending names them
	StateDir string        // of the journals
	Host     string        // this one's name: VMs of others cannot be looked at
	MaxAge   time.Duration // a generation older than this needs a person; 0 is no limit
	Now      time.Time
}

// Status tells how well each VM is backed up that has a generation, an attempt
// or a journal, by name.
func (s Survey) Status() []VMStatus {
	byName := map[string]*VMStatus{}
	paths := map[string]string{} // of the VMs on this host, by name
	named := map[string]string{} // the VMs, by what names them in journals
	of := func(vm string) *VMStatus {
		if byName[vm] == nil {
			byName[vm] = &VMStatus{VM: vm}
		}
		return byName[vm]
	}
	for _, g := range s.Listing.Generations { // the older ones first
		v := of(g.VM)
		v.Newest, v.Count = g, v.Count+1
		if g.Fact("host") != s.Host {
			continue
		}
		path := g.Fact("vm.path")
		if filepath.IsAbs(path) {
			paths[g.VM] = path
		}
		named[printable(path)], named[printable(g.Fact("vcb.target"))] = g.VM, g.VM
	}
	for i := range s.Records {
		r := &s.Records[i]
		names := r.names()
		for _, name := range names {
			of(name).Last = newer(of(name).Last, &r.LastAttempt)
		}
		if len(names) > 1 {
			continue // a team's VMs are known by their generations
		}
		for _, path := range append(r.Journals, r.Path) {
			named[path] = names[0]
			if paths[names[0]] == "" && filepath.IsAbs(path) {
				paths[names[0]] = path
			}
		}
	}
	for _, waiting := range s.Waiting {
		name, known := named[printable(waiting)]
		if !known {
			name = waiting
		}
		of(name).need("its capture was interrupted: run granary recover")
	}
	var all []VMStatus
	for name, v := range byName {
		s.look(v, paths[name])
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b VMStatus) int { return cmp.Compare(a.VM, b.VM) })
	return all
}

// names are the VMs that a record is of: a team's attempt is one of each.
func (r *Record) names() []string {
	attempt := &r.LastAttempt
	if len(attempt.Generations) == 0 && r.LastSuccess != nil {
		attempt = r.LastSuccess
	}
	var names []string
	for _, g := range attempt.Generations {
		names = append(names, g.VM)
	}
	if len(names) == 0 {
		names = []string{r.VM}
	}
	return names
}

func newer(a, b *Attempt) *Attempt {
	if a == nil || b.Ended.After(a.Ended) {
		return b
	}
	return a
}

func (v *VMStatus) need(format string, args ...any) {
	v.Needs = append(v.Needs, fmt.Sprintf(format, args...))
}

// look fills in what a look at the VM itself and at the calendar tells.
func (s Survey) look(v *VMStatus, path string) {
	if vmx, err := capture.FindVMX(path); path != "" && err == nil {
		v.Working = capture.AtWork(s.StateDir, vmx)
		v.Snapshots, err = capture.OurSnapshots(vmx)
		if err != nil {
			v.need("its snapshots cannot be looked at: %v", err)
		}
	}
	if len(v.Snapshots) > 0 && !v.Working && len(v.Needs) == 0 {
		v.need("the snapshot %s is left: run granary recover, or delete it if no host knows of it", v.Snapshots[0])
	}
	if v.Last != nil && v.Last.open(v.Newest) {
		text := fmt.Sprintf("the last attempt %s: %s", v.Last.Status.verb(), v.Last.Error)
		switch {
		case v.Last.PutRight != nil:
			text += "; the VM has been put right since"
		case v.Last.Hint != "":
			text += " (" + v.Last.Hint + ")"
		}
		v.need("%s", text)
	}
	switch {
	case v.Newest == nil:
		v.need("it has no generation")
	case s.MaxAge > 0 && s.Now.Sub(time.Unix(0, v.Newest.Frozen)) > s.MaxAge:
		v.need("its newest generation is older than %s", s.MaxAge)
	}
}

// open tells whether an attempt still asks for a person; newest is the VM's
// newest generation, nil for none.
func (a *Attempt) open(newest *repo.Generation) bool {
	switch {
	case a.Status == Captured:
		return false
	case a.Status == Partly:
		return !a.Recoverable || a.PutRight == nil
	}
	return newest == nil || a.Ended.UnixNano() > newest.Finished
}

// verb says a status of something that was attempted.
func (s Status) verb() string {
	switch s {
	case Partly:
		return "was done in part"
	case Skipped:
		return "was skipped"
	case Captured:
		return "succeeded"
	}
	return "failed"
}
