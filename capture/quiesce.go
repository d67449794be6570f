package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"granary/capture/vcb"
	"granary/capture/vmrun"
	"granary/repo/format"
)

// Method is how a guest is kept from writing.
type Method string

// The methods, as the command line names them.
const (
	StopSnapshot Method = "stop-snapshot"
	Snapshot     Method = "snapshot"
	Stop         Method = "stop"
	Suspend      Method = "suspend"
	None         Method = "none"
)

// snapshots tells whether the method takes a snapshot.
func (m Method) snapshots() bool { return m == Snapshot || m == StopSnapshot }

// Methods are all methods, the recommended one first.
var Methods = []Method{StopSnapshot, Snapshot, Stop, Suspend, None}

// State is how a VM was found.
type State string

// The states of a VM.
const (
	Running   State = "running"
	Off       State = "off"
	Suspended State = "suspended"
)

// snapshotPrefix begins the names of granary's snapshots; a session's ID
// follows, so that no other snapshot ever has the same.
const snapshotPrefix = "granary-"

// machine is a VM that is being captured: each change to it is in the journal
// before it is made.
type machine struct {
	hv      Hypervisor
	vmx     string
	journal *journal
	log     *slog.Logger
	step    func(string) // tells people what is being done

	// Of a VM that is exported; hv is nil where no vmrun reaches it.
	exporter       Exporter
	target         vcb.Target
	deleteLeftover bool

	downSince time.Time // zero while the guest is up
	downtime  time.Duration
}

// mending are the steps that bring a VM back. A journal that cannot be written
// does not keep a guest down: what stands there already is enough for recovery.
var mending = []Step{stepStart, stepThaw, stepDelete}

// act writes a step to the journal, takes it, and writes that it is done, or
// that it failed and will not take effect later. Where it may, the step is
// written again: from now on it is waited for.
func (m *machine) act(before, after Step, say string, do func() error) error {
	m.step(say)
	note := func(s Step) error {
		err := m.journal.note(s)
		if err != nil && slices.Contains(mending, before) {
			m.log.Warn("the VM is brought back without its journal", "vmx", m.vmx, "err", err)
			return nil
		}
		return err
	}
	if err := note(before); err != nil {
		return err
	}
	err := do()
	switch {
	case err == nil:
		return note(after)
	case certain(err):
		return errors.Join(err, note(before.failed()))
	}
	return errors.Join(err, note(before))
}

// certain tells whether a call that failed changed nothing, now or later.
func certain(err error) bool {
	var snapshot *vmrun.SnapshotError
	if errors.As(err, &snapshot) {
		return snapshot.Sure && !snapshot.Made
	}
	var export *vcb.Error
	if errors.As(err, &export) {
		// Not ErrLogin: a login may expire in the middle.
		return errors.Is(err, vcb.ErrLeftover) || errors.Is(err, vcb.ErrNotFound) || errors.Is(err, vcb.ErrNoProgram)
	}
	return vmrun.Refused(err)
}

// stop stops the guest, softly; where that does not succeed and hard is
// allowed, by force.
func (m *machine) stop(ctx context.Context, hard bool) (format.Consistency, error) {
	m.downSince = time.Now()
	err := m.act(stepStop, stepStopped, "stopping the guest", func() error { return m.hv.Stop(ctx, m.vmx, vmrun.Soft) })
	if err == nil {
		return format.Clean, nil
	}
	if !hard || ctx.Err() != nil {
		return 0, fmt.Errorf("stop: %w", err)
	}
	m.log.Warn("the guest did not stop softly; it is stopped hard, as asked for", "err", err)
	err = m.act(stepStop, stepStopped, "stopping the guest hard", func() error { return m.hv.Stop(ctx, m.vmx, vmrun.Hard) })
	if err != nil {
		return 0, fmt.Errorf("stop: %w", err)
	}
	return format.Crash, nil
}

func (m *machine) suspend(ctx context.Context) error {
	m.downSince = time.Now()
	err := m.act(stepSuspend, stepSuspended, "suspending the guest", func() error { return m.hv.Suspend(ctx, m.vmx, vmrun.Soft) })
	if err != nil {
		return fmt.Errorf("suspend: %w", err)
	}
	return nil
}

func (m *machine) snapshot(ctx context.Context) error {
	err := m.act(stepSnapshot, stepSnapshotted, "taking a snapshot", func() error {
		return m.hv.Snapshot(ctx, m.vmx, m.journal.intent.Snapshot)
	})
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if err := m.seesSnapshot(ctx); err != nil {
		return fmt.Errorf("snapshot: vmrun reported success, but %w", err)
	}
	return nil
}

// seesSnapshot fails unless our snapshot is there: vmrun can report success where
// there is none, and the disks would be read while the guest writes. The
// VM's own list tells at once; vmrun is asked where that does not.
func (m *machine) seesSnapshot(ctx context.Context) error {
	name := m.journal.intent.Snapshot
	if list, err := readSnapshots(m.vmx); err == nil && list != nil && slices.Contains(snapshotNames(list), name) {
		return nil
	}
	names, err := m.hv.Snapshots(ctx, m.vmx)
	if err != nil {
		return fmt.Errorf("it cannot be seen: %w", err)
	}
	if !slices.Contains(names, name) {
		return fmt.Errorf("%s is not among the VM's snapshots", name)
	}
	return nil
}

// freeze runs a program in the guest that makes its programs keep still.
func (m *machine) freeze(ctx context.Context, program []string) error {
	return m.act(stepFreeze, stepFrozen, "freezing the guest's programs", func() error {
		return m.hv.RunInGuest(ctx, m.vmx, program[0], program[1:]...)
	})
}

// frozen tells whether the guest's programs may keep still because of us.
func (m *machine) frozen() bool {
	return m.journal.last(stepFreeze, stepThawed) == stepFreeze
}

// thaw runs the program that lets them go on, if the other was begun and this
// one has not succeeded since.
func (m *machine) thaw(ctx context.Context) error {
	if thaw := m.journal.intent.Thaw; len(thaw) > 0 && m.frozen() {
		return m.act(stepThaw, stepThawed, "thawing the guest's programs", func() error {
			return m.hv.RunInGuest(ctx, m.vmx, thaw[0], thaw[1:]...)
		})
	}
	return nil
}

func (m *machine) start(ctx context.Context) error {
	err := m.act(stepStart, stepStarted, "starting the guest", func() error {
		if err := m.hv.Start(ctx, m.vmx); err != nil {
			return err
		}
		// vmrun can report success, or that the VM runs already, where it does
		// not.
		running, err := m.hv.Running(ctx, m.vmx)
		if err == nil && !running {
			err = errors.New("vmrun reported that the guest started, but does not list it")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if m.frozen() {
		// A guest that boots is not frozen.
		if err := m.journal.note(stepThawed); err != nil {
			return err
		}
	}
	if !m.downSince.IsZero() {
		m.downtime += time.Since(m.downSince)
		m.downSince = time.Time{}
	}
	return nil
}

// startTries is how often a guest that must run again is started.
const startTries = 3

// release brings the VM back to how it was found. It looks at the VM instead of
// trusting its own memory, so it serves the end of a capture, its failure, and
// recovery alike. The journal goes only when the VM is as it was.
func (m *machine) release(ctx context.Context) error { return m.finish(ctx, m.comeBack(ctx)) }

// finish tidies up, and lets the journal go unless something is not as it was;
// back is why the guest did not come back, nil if it did.
func (m *machine) finish(ctx context.Context, back error) error {
	if err := errors.Join(back, m.tidy(ctx)); err != nil {
		return err
	}
	return m.journal.remove()
}

// comeBack lets the guest run again as it was found: its users wait.
func (m *machine) comeBack(ctx context.Context) error {
	var again error
	if m.broughtDown() {
		again = m.runAgain(ctx)
	}
	if err := m.thaw(ctx); err != nil {
		err = fmt.Errorf("thaw the guest: %w", err)
		freeze := m.journal.last(stepFreeze, stepFrozen, stepFreeze.failed())
		if freeze == stepFreeze.failed() || freeze == stepFreeze && errors.Is(err, vmrun.ErrGuestProgram) {
			// The guest was not frozen, and does not take the program, or the
			// program finds nothing to do: no backup must wait for that.
			err = errors.Join(err, m.journal.note(stepThawed))
		}
		return errors.Join(again, err)
	}
	return again
}

// broughtDown tells whether the guest may be down because of us. One that runs
// again, or that was never asked to stop, is its owner's to stop.
func (m *machine) broughtDown() bool {
	if m.journal.intent.Found != Running {
		return false
	}
	last := m.journal.last(stepStop, stepStop.failed(), stepStopped, stepSuspend, stepSuspend.failed(), stepSuspended, stepStart, stepStart.failed(), stepStarted)
	return last != "" && last != stepStarted
}

// tidy takes away what the capture left: an export, and our snapshot.
func (m *machine) tidy(ctx context.Context) error {
	return errors.Join(m.removeExport(ctx), m.deleteOurs(ctx))
}

func (m *machine) runAgain(ctx context.Context) error {
	if err := m.settle(ctx); err != nil {
		return err
	}
	var err error
	for range startTries {
		var running bool
		if running, err = m.hv.Running(ctx, m.vmx); err == nil && running {
			return nil
		}
		if err == nil {
			if err = m.start(ctx); err == nil {
				return nil
			}
		}
		m.log.Warn("the guest does not run again yet", "vmx", m.vmx, "err", err)
	}
	return err
}

// settlePoll is how often a VM is looked at that may stop any moment.
const settlePoll = 500 * time.Millisecond

// settle waits, for as long as a stop that was asked for may still take
// effect: a guest that looks alive could go down a moment later, and stay so.
func (m *machine) settle(ctx context.Context) error {
	for _, step := range []struct{ asked, done Step }{{stepStop, stepStopped}, {stepSuspend, stepSuspended}} {
		asked, open := m.journal.unconfirmed(step.asked, step.done)
		if !open {
			continue
		}
		err := m.wait(ctx, asked, "waiting whether the stop still takes effect", func() bool {
			running, err := m.hv.Running(ctx, m.vmx)
			return err == nil && !running
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wait returns when done says so, or when what was asked for can no longer
// take effect.
func (m *machine) wait(ctx context.Context, asked time.Time, say string, done func() bool) error {
	limit := m.journal.intent.Settle
	// A clock that was set back must not make the wait longer.
	if age := time.Since(asked); age > 0 {
		limit -= age
	}
	m.step(say)
	for end := time.Now().Add(limit); time.Now().Before(end) && !done(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePoll):
		}
	}
	return nil
}

// deleteOurs deletes the snapshot of this journal's name, if it is there.
func (m *machine) deleteOurs(ctx context.Context) error {
	name := m.journal.intent.Snapshot
	asked, unsure := m.journal.unconfirmed(stepSnapshot, stepSnapshotted)
	if name == "" || !unsure && !m.journal.has(stepSnapshotted) {
		return nil
	}
	ours := func() (bool, error) {
		names, err := m.hv.Snapshots(ctx, m.vmx)
		return slices.Contains(names, name), err
	}
	if unsure {
		err := m.wait(ctx, asked, "looking whether the snapshot was taken", func() bool {
			there, err := ours()
			return err == nil && there
		})
		if err != nil {
			return err
		}
	}
	there, err := ours()
	if err != nil {
		return fmt.Errorf("look for the snapshot %s: %w", name, err)
	}
	if !there {
		return nil
	}
	err = m.act(stepDelete, stepDeleted, "merging the snapshot", func() error { return m.hv.DeleteSnapshot(ctx, m.vmx, name) })
	if err != nil && !errors.Is(err, vmrun.ErrNoSnapshot) {
		return fmt.Errorf("delete the snapshot %s: %w", name, err)
	}
	if there, err = ours(); err != nil {
		return fmt.Errorf("look whether the snapshot %s was deleted: %w", name, err)
	}
	if there {
		return fmt.Errorf("delete the snapshot %s: vmrun reported that it is gone, but lists it", name)
	}
	return nil
}
