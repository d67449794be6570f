package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"granary/capture/vcb"
)

// Recovered is what recovery did with a VM.
type Recovered struct {
	VMX   string // or the target of an export
	Found State  // the state it was brought back to
	// Began is when the interrupted capture began.
	Began time.Time
	// Err is why the VM is not as it was found; its journal stays.
	Err error
}

// RecoverOptions say how to recover.
type RecoverOptions struct {
	// StateDir holds the journals.
	StateDir string
	// Connect gives what a journal's capture used, by the facts in
	// Request.DriverFacts. The hypervisor is nil where vmx is empty, the
	// exporter where target is.
	Connect func(facts map[string]string, vmx, target string) (Hypervisor, Exporter, error)
	Log     *slog.Logger
	// Step is told what is being done, if not nil.
	Step func(vmx, what string)
}

// Recover brings each VM back that an interrupted capture left stopped,
// suspended or snapshotted. VMs that a running capture works on are left
// alone. An error is one of reading the journals; that of a VM is in its
// Recovered.
func Recover(ctx context.Context, o RecoverOptions) (all []Recovered, err error) {
	waiting, all, err := lockWaiting(o.StateDir)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, j := range waiting {
			err = errors.Join(err, j.close())
		}
	}()
	slices.SortStableFunc(waiting, inOrder)
	machines := make([]*machine, len(waiting))
	var recovered []Recovered
	// All guests first: merging a snapshot may take hours.
	for i, j := range waiting {
		r := Recovered{VMX: j.intent.label(), Found: j.intent.Found, Began: j.steps[0].Time}
		if r.Err = ctx.Err(); r.Err == nil {
			machines[i], r.Err = j.reconnect(ctx, o)
		}
		if r.Err == nil {
			r.Err = machines[i].comeBack(ctx)
		} else {
			machines[i] = nil // something may still be at work on it
		}
		recovered = append(recovered, r)
	}
	for i, m := range machines {
		if m != nil && ctx.Err() == nil {
			recovered[i].Err = errors.Join(recovered[i].Err, m.tidy(ctx))
			if recovered[i].Err == nil {
				recovered[i].Err = m.journal.remove()
			}
		} else if recovered[i].Err == nil {
			recovered[i].Err = ctx.Err()
		}
	}
	return append(all, recovered...), nil
}

// inOrder sorts journals: those of a team were begun in the order in which its
// VMs start. Whoever was interrupted while it merged has a guest that runs, and
// may have to be waited for: it comes last.
func inOrder(a, b *journal) int {
	rank := func(j *journal) int {
		if _, merging := j.unconfirmed(stepDelete, stepDeleted); merging {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), a.steps[0].Time.Compare(b.steps[0].Time))
}

// lockWaiting locks all journals that wait. One that cannot be read is broken.
func lockWaiting(stateDir string) (waiting []*journal, broken []Recovered, err error) {
	paths, err := filepath.Glob(filepath.Join(stateDir, journalsDir, "*"+journalExt))
	if err != nil {
		return nil, nil, fmt.Errorf("look for journals: %w", err)
	}
	for _, path := range paths {
		j, err := lockJournal(path)
		switch {
		case errors.Is(err, ErrBusy):
		case err != nil:
			broken = append(broken, Recovered{VMX: path, Err: err})
		case j.pending():
			waiting = append(waiting, j)
		default:
			if err := j.close(); err != nil {
				broken = append(broken, Recovered{VMX: path, Err: err})
			}
		}
	}
	return waiting, broken, nil
}

// Pending names the VMs whose journals wait for recovery, without touching a VM:
// also with an error, which is of journals that cannot be read.
func Pending(stateDir string) (waiting []string, err error) {
	err = eachJournal(stateDir, func(j *journal) error {
		waiting = append(waiting, j.intent.label())
		return nil
	})
	return waiting, err
}

// Dismiss forgets the journal of a VM that a person has brought back by hand:
// vm is as Pending names it. It returns ErrMissing where none waits.
func Dismiss(stateDir, vm string) error {
	found := false
	err := eachJournal(stateDir, func(j *journal) error {
		if j.intent.label() != vm && !sameFile(j.intent.VMX, vm) {
			return nil
		}
		found = true
		return j.remove()
	})
	if err == nil && !found {
		return fmt.Errorf("no journal of %s waits: %w", vm, ErrMissing)
	}
	return err
}

// eachJournal does something with each journal that waits and that no capture
// is at work with; one that fails keeps no other from it.
func eachJournal(stateDir string, do func(*journal) error) error {
	waiting, broken, err := lockWaiting(stateDir)
	for _, b := range broken {
		err = errors.Join(err, b.Err)
	}
	for _, j := range waiting {
		err = errors.Join(err, do(j), j.close())
	}
	return err
}

// reconnect reaches the VM of a journal again, and waits for what its capture
// left working on it. The journal's lock is held.
func (j *journal) reconnect(ctx context.Context, o RecoverOptions) (*machine, error) {
	host, err := os.Hostname()
	if err == nil && j.intent.Host != host {
		return nil, fmt.Errorf("the journal %s was written on host %s; run granary recover there", j.path, j.intent.Host)
	}
	m := &machine{vmx: j.intent.VMX, journal: j, log: o.Log, step: func(what string) {
		if o.Step != nil {
			o.Step(j.intent.label(), what)
		}
	}}
	if m.hv, m.exporter, err = o.Connect(j.intent.Driver, j.intent.VMX, j.intent.Target); err != nil {
		return nil, err
	}
	if j.intent.Target != "" {
		if m.target, err = vcb.ParseTarget(j.intent.Target); err != nil {
			return nil, err
		}
	}
	return m, m.waitOrphans(ctx)
}

// What a killed granary had begun goes on without it, and without a deadline:
// orphanTime is how long it is waited for, mergeTime where it may be merging.
const (
	orphanTime = 10 * time.Minute
	mergeTime  = 6 * time.Hour
)

func (m *machine) waitOrphans(ctx context.Context) error {
	limit := orphanTime
	if _, merging := m.journal.unconfirmed(stepDelete, stepDeleted); merging {
		limit = mergeTime
	}
	m.step("waiting for what the interrupted capture began")
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if m.hv == nil {
		return nil
	}
	if err := m.hv.WaitOrphans(ctx, m.vmx); err != nil {
		return fmt.Errorf("wait for what the interrupted capture began: %w", err)
	}
	return nil
}

// AtWork tells whether a capture or a recovery is at work on a VM of this host.
func AtWork(stateDir, vmx string) bool {
	c := &run{Request: Request{VMX: vmx, StateDir: stateDir}, machine: &machine{}}
	err := c.lock()
	if c.machine.journal != nil {
		err = errors.Join(err, c.machine.journal.close())
	}
	return errors.Is(err, ErrBusy)
}
