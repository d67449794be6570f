//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// stretchSize is how much of real data is read in one go.
const stretchSize = 512 << 20

// Random reads end with whichever comes first.
const (
	mostPoints     = 20_000
	mostPointsTime = 5 * time.Second
)

// look gives do the newest disk as the tool shows it, mounted anew, and the state
// that it has to be equal to; the plain file is both.
func (r *round) look(ctx context.Context, c *contender, do func(disk, state string) error) error {
	state := r.data.statePath(c.state)
	if c.isPlainFile() {
		return do(state, state)
	}
	if c.mount == nil {
		return nil
	}
	m, err := openMounted(ctx, c.tool, c.place, filepath.Join(c.dir, "mount"))
	if err != nil {
		return err
	}
	err = do(m.disk, state)
	if peak, unknown := m.peakMiB(); err == nil {
		err = unknown
		c.mountPeak = max(c.mountPeak, peak)
	}
	if unclosed := m.close(); err == nil {
		err = unclosed
	}
	return err
}

// sequential reads the whole disk, holes too.
func (r *round) sequential(ctx context.Context, c *contender) error {
	return r.look(ctx, c, func(disk, state string) error {
		whole := []extent{{0, diskSize}}
		seconds, err := readExtents(disk, whole)
		if err != nil {
			return err
		}
		if err := compareFiles(disk, state); err != nil {
			return err
		}
		r.note(c, "sequential", float64(length(whole))/(1<<20)/seconds)
		return nil
	})
}

// stretch reads the longest parts without holes.
func (r *round) stretch(ctx context.Context, c *contender) error {
	return r.look(ctx, c, func(disk, state string) error {
		data, err := allocated(state)
		if err != nil {
			return err
		}
		parts := longest(data, stretchSize)
		seconds, err := readExtents(disk, parts)
		if err != nil {
			return err
		}
		if err := compareExtents(disk, state, parts); err != nil {
			return err
		}
		r.note(c, "stretch", float64(length(parts))/(1<<20)/seconds)
		return nil
	})
}

// random reads here and there in what is allocated, one read after the other.
func (r *round) random(ctx context.Context, c *contender) error {
	return r.look(ctx, c, func(disk, state string) error {
		data, err := allocated(state)
		if err != nil {
			return err
		}
		offsets := points(blocksWithin(data, blockSize), mostPoints, rand.New(newRandom("random reads")))
		sums, seconds, err := readPoints(disk, offsets, mostPointsTime)
		if err != nil {
			return err
		}
		if err := comparePoints(state, offsets, sums); err != nil {
			return err
		}
		r.note(c, "random", float64(len(sums))/seconds)
		return nil
	})
}

// copied takes the disk out of the mount as an operator does.
func (r *round) copied(ctx context.Context, c *contender) error {
	return r.look(ctx, c, func(disk, state string) error {
		to := filepath.Join(c.dir, "copy.vmdk")
		defer os.Remove(to)
		u, err := command{program: "cp", args: []string{"--sparse=auto", disk, to}}.measure(ctx, r.dir)
		if err != nil {
			return err
		}
		if err := compareFiles(to, state); err != nil {
			return err
		}
		r.note(c, "cp", u.seconds)
		return nil
	})
}
