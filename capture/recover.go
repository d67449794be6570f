package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	recovered := make([]Recovered, len(waiting))
	// All guests first: merging a snapshot may take hours. Of these, those that
	// nothing else is at work on: what hangs is waited for.
	var attended []int
	for i, j := range waiting {
		r := &recovered[i]
		*r = Recovered{VMX: j.intent.label(), Found: j.intent.Found, Began: j.steps[0].Time, Err: ctx.Err()}
		if r.Err == nil {
			machines[i], r.Err = j.reconnect(o)
		}
		switch {
		case r.Err != nil:
		case machines[i].attended(ctx):
			attended = append(attended, i)
		default:
			r.Err = machines[i].comeBack(ctx)
		}
	}
	for _, i := range attended {
		if recovered[i].Err = machines[i].waitOrphans(ctx); recovered[i].Err != nil {
			machines[i] = nil
			continue
		}
		recovered[i].Err = machines[i].comeBack(ctx)
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
	dir := filepath.Join(stateDir, journalsDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("look for journals: %w", err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != journalExt {
			continue
		}
		path := filepath.Join(dir, e.Name())
		j, err := lockJournal(path, 0)
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
	journals, broken, err := lockWaiting(stateDir)
	for _, b := range broken {
		err = errors.Join(err, b.Err)
	}
	for _, j := range journals {
		waiting = append(waiting, j.intent.label())
		err = errors.Join(err, j.close())
	}
	return waiting, err
}

// ErrNoJournal means that no journal of what was named waits.
var ErrNoJournal = errors.New("nothing to forget")

// Dismiss forgets the journal of a VM that a person has brought back by hand,
// and returns of which VM it was: vm is as Pending names it, or the path of the
// journal, also of one that cannot be read. It returns ErrNoJournal where none
// waits.
func Dismiss(stateDir, vm string) (dismissed []Recovered, err error) {
	waiting, broken, err := lockWaiting(stateDir)
	if err != nil {
		return nil, err
	}
	for _, j := range waiting {
		if slices.Contains([]string{j.intent.label(), j.path}, vm) || sameFile(j.intent.VMX, vm) || sameFile(j.path, vm) {
			dismissed = append(dismissed, Recovered{VMX: j.intent.label(), Found: j.intent.Found, Began: j.steps[0].Time})
			err = errors.Join(err, j.remove())
		}
		err = errors.Join(err, j.close())
	}
	var others []error
	for _, b := range broken {
		if b.VMX != vm && !sameFile(b.VMX, vm) {
			others = append(others, b.Err)
			continue
		}
		dismissed = append(dismissed, b)
		err = errors.Join(err, discard(b.VMX))
	}
	if err == nil && len(dismissed) == 0 {
		err = errors.Join(append([]error{fmt.Errorf("no journal of %s waits: %w", vm, ErrNoJournal)}, others...)...)
	}
	return dismissed, err
}

// discard removes a journal that cannot be read.
func discard(path string) error {
	j, err := lockUnread(path, 0)
	if err != nil {
		return err
	}
	return errors.Join(j.remove(), j.close())
}

// reconnect reaches the VM of a journal again. The journal's lock is held.
func (j *journal) reconnect(o RecoverOptions) (*machine, error) {
	host, err := os.Hostname()
	if err == nil && j.intent.Host != host {
		return nil, &foreignJournalError{j.path, j.intent.Host}
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
	return m, nil
}

// foreignJournalError is a journal of another host, or of this one before it was
// renamed.
type foreignJournalError struct{ path, host string }

func (e *foreignJournalError) Error() string {
	return fmt.Sprintf("the journal %s was written on host %s; run granary recover there", e.path, e.host)
}

func (e *foreignJournalError) Hint() string {
	return "if this is that host under a new name, bring the VM back by hand, then granary recover --done " + e.path
}

// What a killed granary had begun goes on without it, and without a deadline:
// orphanTime is how long it is waited for, mergeTime where it may be merging.
const (
	orphanTime = 10 * time.Minute
	mergeTime  = 6 * time.Hour
)

// attended tells whether what the interrupted capture began is at work on the
// VM, or may be.
func (m *machine) attended(ctx context.Context) bool {
	if m.hv == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond) // one look
	defer cancel()
	return m.hv.WaitOrphans(ctx, m.vmx) != nil
}

func (m *machine) waitOrphans(ctx context.Context) error {
	limit := orphanTime
	if _, merging := m.journal.unconfirmed(stepDelete, stepDeleted); merging {
		limit = mergeTime
	}
	m.step("waiting for what the interrupted capture began")
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := m.hv.WaitOrphans(ctx, m.vmx); err != nil {
		return fmt.Errorf("wait for what the interrupted capture began: %w", err)
	}
	return nil
}

// AtWork tells whether a capture or a recovery is at work on a VM of this host.
func AtWork(stateDir, vmx string) bool {
	real, err := filepath.EvalSymlinks(vmx)
	if err != nil {
		return false
	}
	j, err := lockVM(stateDir, real, 0)
	if err == nil {
		err = j.close()
	}
	return errors.Is(err, ErrBusy)
}
