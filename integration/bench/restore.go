//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
)

// restored brings the newest disk back to a new file.
func (r *round) restored(ctx context.Context, c *contender) error {
	if c.isPlainFile() {
		return r.noteUsage(c, r.data.statePath(c.state))
	}
	to := filepath.Join(c.dir, "restored")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(to)
	u, err := c.tool.restore(c.place, to).measure(ctx, r.dir)
	if err != nil {
		return err
	}
	disk := filepath.Join(to, c.tool.restored)
	if err := compareFiles(disk, r.data.statePath(c.state)); err != nil {
		return err
	}
	r.note(c, "restore", u.seconds)
	r.note(c, "restore-memory", u.peakMiB)
	return r.noteUsage(c, disk)
}

func (r *round) noteUsage(c *contender, disk string) error {
	size, err := diskUsage(disk)
	if err != nil {
		return err
	}
	r.note(c, "restore-usage", float64(size)/(1<<20))
	return nil
}

func (r *round) checked(ctx context.Context, c *contender) error {
	if c.check == nil {
		return nil
	}
	u, err := c.check(c.place).measure(ctx, r.dir)
	if err != nil {
		return err
	}
	r.note(c, "check", u.seconds)
	return nil
}
