//go:build linux

package main

import "context"

// take captures what the virtual machine shows. It returns what that took and
// by how much the repository grew, in 10⁶ bytes.
func (r *round) take(ctx context.Context, c *contender, again bool) (usage, float64, error) {
	before, err := c.repositoryMB()
	if err != nil {
		return usage{}, 0, err
	}
	// The walk above has read folders; what a capture finds is to be cold.
	if err := dropCaches(); err != nil {
		return usage{}, 0, err
	}
	u, err := c.capture(c.place, again).measure(ctx, r.dir)
	if err != nil {
		c.broken = true
		return usage{}, 0, err
	}
	c.captures++
	c.state = r.state
	c.capturePeak = max(c.capturePeak, u.peakMiB)
	after, err := c.repositoryMB()
	return u, after - before, err
}

func (r *round) first(ctx context.Context, c *contender) error {
	if c.isPlainFile() {
		return nil
	}
	u, _, err := r.take(ctx, c, false)
	if err != nil {
		return err
	}
	stored, err := c.repositoryMB()
	if err != nil {
		return err
	}
	r.note(c, "first", u.seconds)
	r.note(c, "first-cpu", u.cpuSeconds)
	r.note(c, "stored", stored)
	return nil
}

// unchanged captures the same again with all of it read; of the plain file the
// allocated data are read.
func (r *round) unchanged(ctx context.Context, c *contender) error {
	if c.isPlainFile() {
		disk := r.data.statePath(c.state)
		extents, err := allocated(disk)
		if err != nil {
			return err
		}
		seconds, err := readExtents(disk, extents)
		if err != nil {
			return err
		}
		r.note(c, "unchanged", seconds)
		return nil
	}
	u, _, err := r.take(ctx, c, true)
	if err != nil {
		return err
	}
	r.note(c, "unchanged", u.seconds)
	return nil
}

func (r *round) day(ctx context.Context, c *contender) error { return r.increment(ctx, c, "day") }

func (r *round) pages(ctx context.Context, c *contender) error { return r.increment(ctx, c, "pages") }

func (r *round) increment(ctx context.Context, c *contender, id string) error {
	if c.isPlainFile() {
		return nil
	}
	u, added, err := r.take(ctx, c, false)
	if err != nil {
		return err
	}
	r.note(c, id, u.seconds)
	r.note(c, id+"-added", added)
	return nil
}
