//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// round takes all tools through all steps once, from empty repositories on.
type round struct {
	number  int
	dir     string
	data    data
	results *results
	state   int // what the disk of the virtual machine shows
}

// contender is a tool in a round.
type contender struct {
	tool
	place
	state  int  // that it captured last; the plain file: that is shown
	broken bool // a capture failed: nothing can follow

	capturePeak, mountPeak float64 // the most memory of a capture, of a mount, MiB
}

// step is one thing that is measured.
type step struct {
	name  string
	state int // of the disk, that is shown before; 0: the same as before
	run   func(*round, context.Context, *contender) error
}

// steps in their order. A step that a tool does not have leaves no value.
var steps = []step{
	{"first", 1, (*round).first},
	{"unchanged", 0, (*round).unchanged},
	{"day", 2, (*round).day},
	{"pages", 3, (*round).pages},
	{"restore", 0, (*round).restored},
	{"check", 0, (*round).checked},
	{"sequential", 0, (*round).sequential},
	{"stretch", 0, (*round).stretch},
	{"random", 0, (*round).random},
	{"cp", 0, (*round).copied},
}

func stepNames() []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}

// run measures the steps chosen, and always the first. What fails is noted in
// the results; an error is what ends the benchmark.
func (r *round) run(ctx context.Context, tools []tool, chosen []string) error {
	if err := r.clear(); err != nil {
		return err
	}
	var contenders []*contender
	for i := range tools {
		t := tools[(i+r.number)%len(tools)] // no tool is always the first one
		c := &contender{tool: t, place: place{dir: filepath.Join(r.dir, t.name), vm: r.data.vm()}}
		if err := c.prepare(ctx); err != nil {
			return fmt.Errorf("%s: make a repository: %w", t.name, err)
		}
		contenders = append(contenders, c)
	}
	for _, s := range steps {
		if s.name != steps[0].name && !slices.Contains(chosen, s.name) {
			continue
		}
		if s.state > 0 {
			if err := r.data.show(s.state); err != nil {
				return err
			}
			r.state = s.state
		}
		for _, c := range contenders {
			if c.isPlainFile() {
				c.state = r.state
			}
			if err := r.measure(ctx, s, c); err != nil {
				return err
			}
		}
	}
	for _, c := range contenders {
		for id, peak := range map[string]float64{"capture-memory": c.capturePeak, "mount-memory": c.mountPeak} {
			if peak > 0 {
				r.note(c, id, peak)
			}
		}
	}
	return r.clear()
}

// clear removes the folder of the round, also one of a run that was killed.
func (r *round) clear() error {
	mounts, err := filepath.Glob(filepath.Join(r.dir, "*", "mount"))
	if err != nil {
		return err
	}
	for _, at := range mounts {
		unmountAll(at)
	}
	return os.RemoveAll(r.dir)
}

func (c *contender) prepare(ctx context.Context) error {
	for _, folder := range []string{c.repository(), c.private()} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if c.init == nil {
		return nil
	}
	_, err := c.init(c.place).measure(ctx, c.dir)
	return err
}

// measure takes a step with one tool. Its error is that of the whole benchmark.
func (r *round) measure(ctx context.Context, s step, c *contender) error {
	if err := coldStart(r.data.statePath(states)); err != nil {
		return err
	}
	err := errors.New("an earlier capture failed")
	if !c.broken {
		err = s.run(r, ctx, c)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "round %d: %s: %s FAILED: %v\n", r.number+1, c.name, s.name, err)
		r.results.fail(s.name, c.name, err)
	}
	return nil
}

// note keeps a value and says it.
func (r *round) note(c *contender, id string, value float64) {
	r.results.add(id, c.name, value)
	m := metricOf(id)
	fmt.Fprintf(os.Stderr, "%s round %d: %s: %s: %s %s\n", time.Now().UTC().Format("15:04:05"), r.number+1, c.name, m.title, m.format(value), m.unit)
}

// repositoryMB is the size of all files of the repository, in 10⁶ bytes.
func (c *contender) repositoryMB() (float64, error) {
	total := int64(0)
	err := filepath.WalkDir(c.repository(), func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("size the repository: %w", err)
	}
	return float64(total) / 1e6, nil
}
