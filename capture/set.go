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
// it. The generations are those of the members, nil for one that has none.
func (s *set) take(ctx context.Context) ([]*repo.Generation, error) {
	running := s.running()
	err := s.each(running, (*run).begin)
	var generations []*repo.Generation
	if err == nil {
		generations, err = s.capture(ctx, running)
	}
	// Ctrl-C ends the reading, never the way back.
	back := context.WithoutCancel(ctx)
	for _, c := range running {
		if !c.machine.journal.pending() {
			continue
		}
		left := c.machine.release(back)
		if left == nil {
			continue
		}
		if i := slices.Index(s.members, c); i < len(generations) && generations[i] != nil {
			c.unfinished = append(c.unfinished, fmt.Errorf("the VM is not as it was found: %w", left))
		} else {
			err = fmt.Errorf("%w; and the VM could not be brought back: %w", err, s.of(c, left))
		}
	}
	return generations, err
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
	if err := s.each(s.members, (*run).proven); err != nil {
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
	method := running[0].Quiesce
	backwards := slices.Clone(running)
	slices.Reverse(backwards)
	if err := s.each(backwards, func(c *run) error { return c.halt(ctx) }); err != nil {
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
	if err := s.each(running, func(c *run) error { return c.freezeDisks(ctx) }); err != nil {
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
// are asked to keep still for a moment.
func (c *run) halt(ctx context.Context) (err error) {
	switch c.Quiesce {
	case Stop, StopSnapshot:
		c.consistency, err = c.machine.stop(ctx, c.HardStop)
	case Suspend:
		c.consistency = format.Suspended
		err = c.machine.suspend(ctx)
	case Snapshot:
		c.consistency = format.Crash
		if len(c.Freeze) > 0 {
			c.freeze(ctx)
		}
	}
	return err
}

// freezeDisks keeps the small files, which will name the snapshot's disks
// later, and takes the snapshot.
func (c *run) freezeDisks(ctx context.Context) error {
	if err := c.hold(); err != nil {
		return err
	}
	return c.machine.snapshot(ctx)
}

// freeze runs the guest's freeze program. Where it fails, a crash-consistent
// generation is better than none; that it is no better is said.
func (c *run) freeze(ctx context.Context) {
	if err := c.machine.freeze(ctx, c.Freeze); err != nil {
		c.unfinished = append(c.unfinished, fmt.Errorf("freeze the guest (it is captured crash-consistent): %w", err))
		c.thaw(ctx)
		return
	}
	c.consistency = format.Application
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

// proven fails if files of a member that had to be at rest changed while the
// others were read.
func (c *run) proven() error {
	if c.preflight.State == Running && c.Quiesce.snapshots() {
		return nil
	}
	return c.stillAtRest()
}
