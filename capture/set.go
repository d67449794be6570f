package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// set are VMs that are captured at one point in time, in the order in which
// they are started: a team, or a single VM.
type set struct {
	members []*run
	began   time.Time
	frozen  time.Time
}

func captureSet(ctx context.Context, r *repo.Repo, reqs []Request) ([]*Result, error) {
	s := &set{began: time.Now()}
	defer func() {
		for _, c := range s.members {
			c.close()
		}
	}()
	for _, req := range reqs {
		c := newRun(r, req)
		s.members = append(s.members, c)
		if err := c.open(ctx); err != nil {
			return nil, s.of(c, err)
		}
	}
	if err := oneMoment(reqs[0], len(s.running())); err != nil {
		return nil, err
	}
	generations, err := s.take(ctx)
	var results []*Result
	for i, g := range generations {
		c := s.members[i]
		if g != nil {
			results = append(results, &Result{Generation: g, Duration: time.Since(s.began), Downtime: c.machine.downtime,
				Unfinished: errors.Join(c.unfinished...)})
		}
	}
	return results, err
}

// of names the member that an error is of.
func (s *set) of(c *run, err error) error {
	if err == nil || len(s.members) < 2 {
		return err
	}
	return fmt.Errorf("%s: %w", c.VMX, err)
}

// running are the members that have to be quiesced.
func (s *set) running() []*run {
	return slices.DeleteFunc(slices.Clone(s.members), func(c *run) bool { return c.preflight.State != Running })
}

// each does something with each of the members, one after the other.
func (s *set) each(members []*run, do func(*run) error) error {
	for _, c := range members {
		if err := do(c); err != nil {
			return s.of(c, err)
		}
	}
	return nil
}

// take quiesces, reads and commits, and then lets the VMs go, whatever came of
// it, a panic too. The generations are those of the members, nil for one that
// has none.
func (s *set) take(ctx context.Context) (generations []*repo.Generation, err error) {
	running := s.running()
	// Ctrl-C ends the reading, never the way back.
	defer func() { err = s.release(context.WithoutCancel(ctx), running, generations, err) }()
	if err := s.each(running, (*run).begin); err != nil {
		return nil, err
	}
	return s.capture(ctx, running)
}

// release brings the VMs back to how they were found: all guests first, since
// merging a snapshot may take hours. It adds to failed what did not succeed, or
// to the members that have a generation.
func (s *set) release(ctx context.Context, running []*run, generations []*repo.Generation, failed error) error {
	waiting := slices.DeleteFunc(slices.Clone(running), func(c *run) bool { return !c.machine.journal.pending() })
	back := make([]error, len(waiting))
	for i, c := range waiting {
		back[i] = c.machine.comeBack(ctx)
	}
	for i, c := range waiting {
		left := c.machine.finish(ctx, back[i])
		if left == nil {
			continue
		}
		switch i := slices.Index(s.members, c); {
		case i < len(generations) && generations[i] != nil:
			c.unfinished = append(c.unfinished, fmt.Errorf("the VM is not as it was found: %w", left))
		case failed == nil: // a panic goes on, and has no place for it
			c.Log.Error("the VM could not be brought back", "vmx", c.VMX, "err", left)
		default:
			failed = fmt.Errorf("%w; and the VM could not be brought back: %w", failed, s.of(c, left))
		}
	}
	return failed
}

// capture is the state machine of each method, up to the commit. The machines'
// release undoes what it did.
func (s *set) capture(ctx context.Context, running []*run) ([]*repo.Generation, error) {
	if err := s.quiesce(ctx, running); err != nil {
		return nil, err
	}
	for _, c := range s.members {
		if err := c.readAs(ctx); err != nil {
			return nil, s.of(c, err)
		}
	}
	if err := s.each(s.members, func(c *run) error { return c.proven(ctx) }); err != nil {
		return nil, err
	}
	for _, c := range running {
		if c.Quiesce == Stop || c.Quiesce == Suspend {
			c.startAgain(ctx)
		}
	}
	generations := make([]*repo.Generation, len(s.members))
	for i, c := range s.members {
		g, err := c.commit(ctx, s.frozen)
		if err != nil {
			return generations, s.of(c, err)
		}
		generations[i] = g
	}
	return generations, nil
}

// quiesce brings all running members to one point in time: they are stopped in
// the order opposite to that in which they start, snapshotted together, and
// started in order.
func (s *set) quiesce(ctx context.Context, running []*run) error {
	for _, c := range s.members {
		c.consistency = format.Offline
		if c.preflight.State == Suspended {
			c.consistency = format.Suspended
		}
	}
	s.frozen = time.Now()
	if len(running) == 0 {
		return nil
	}
	method, alone := running[0].Quiesce, len(running) == 1
	backwards := slices.Clone(running)
	slices.Reverse(backwards)
	if err := s.each(backwards, func(c *run) error { return c.halt(ctx, alone) }); err != nil {
		return err
	}
	if method != Snapshot {
		if err := s.each(running, func(c *run) error { return c.rest(ctx) }); err != nil {
			return err
		}
	}
	if err := s.each(running, (*run).replan); err != nil {
		return err
	}
	s.frozen = time.Now()
	if !method.snapshots() {
		return nil
	}
	room := int64(maxHeld)
	if err := s.each(running, func(c *run) error { return c.freezeDisks(ctx, &room) }); err != nil {
		return err
	}
	for _, c := range running {
		if method == StopSnapshot {
			c.startAgain(ctx)
		} else {
			c.thaw(ctx)
		}
	}
	if method == Snapshot {
		s.frozen = time.Now()
	}
	return nil
}

// halt keeps a guest from writing, but for a hot snapshot: there its programs
// are asked to keep still for a moment. alone tells that no other VM is halted
// with it.
func (c *run) halt(ctx context.Context, alone bool) (err error) {
	switch c.Quiesce {
	case Stop, StopSnapshot:
		c.consistency, err = c.machine.stop(ctx, c.HardStop)
	case Suspend:
		c.consistency = format.Suspended
		err = c.machine.suspend(ctx)
	case Snapshot:
		c.consistency = format.Crash
		if len(c.Freeze) > 0 {
			err = c.freeze(ctx, alone)
		}
	}
	return err
}

// freezeDisks keeps the small files, which will name the snapshot's disks
// later, within the bytes that there is room for, and takes the snapshot.
func (c *run) freezeDisks(ctx context.Context, room *int64) error {
	if err := c.hold(room); err != nil {
		return err
	}
	if err := c.machine.snapshot(ctx); err != nil {
		return err
	}
	if c.Quiesce == StopSnapshot {
		c.stayedDown(c.plan.proveOff()) // its files tell at once, while the guest's users wait
	}
	return nil
}

// stayedDown lowers what a generation claims whose guest was to be down when its
// disks were frozen. seen is what a look gave: nil for a guest that is down,
// ErrRunning for one that somebody has started.
func (c *run) stayedDown(seen error) {
	switch {
	case seen == nil:
		return
	case errors.Is(seen, ErrRunning):
		c.Log.Warn("somebody started the guest, perhaps before its disks were frozen; it is recorded as crash-consistent", "vmx", c.VMX, "err", seen)
	default:
		c.Log.Warn("whether somebody started the guest before its disks were frozen is not known; it is recorded as crash-consistent", "vmx", c.VMX, "err", seen)
	}
	c.consistency = format.Crash
}

// freeze runs the guest's freeze program. Where it fails, a crash-consistent
// generation of one VM is better than none; that it is no better is said. Of
// several VMs, which are snapshotted one after the other, there would be no one
// point in time.
func (c *run) freeze(ctx context.Context, alone bool) error {
	err := c.machine.freeze(ctx, c.Freeze)
	switch {
	case err == nil:
		c.consistency = format.Application
	case alone:
		c.unfinished = append(c.unfinished, fmt.Errorf("freeze the guest (it is captured crash-consistent): %w", err))
		c.thaw(ctx)
	default:
		return fmt.Errorf("freeze the guest: %w", err)
	}
	return nil
}

// thaw runs the guest's thaw program if the freeze program was begun. release
// tries it once more where it fails.
func (c *run) thaw(ctx context.Context) {
	if err := c.machine.thaw(context.WithoutCancel(ctx)); err != nil {
		c.consistency = format.Crash
		c.unfinished = append(c.unfinished, fmt.Errorf("thaw the guest (it is recorded as crash-consistent): %w", err))
	}
}

// readAs reads the files of a member, whatever keeps them still.
func (c *run) readAs(ctx context.Context) error {
	if c.preflight.State != Running {
		return c.readAtRest(ctx)
	}
	return c.read(ctx)
}

// proven fails if files of a member that had to be at rest, or that a snapshot
// had to keep still, changed while the others were read.
func (c *run) proven(ctx context.Context) error {
	if c.preflight.State != Running || !c.Quiesce.snapshots() {
		return c.stillAtRest()
	}
	if err := c.asRead(); err != nil {
		return err
	}
	if err := c.machine.seesSnapshot(ctx); err != nil {
		return fmt.Errorf("prove that the snapshot kept the disks still: %w", err)
	}
	return nil
}
