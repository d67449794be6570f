//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// bench runs granary and prints what that took, a row a step.
type bench struct {
	dir     string
	granary string
	self    string // this program
	times   int
	disk    int64
	dense   int64
	out     io.Writer
	repo    string // that is measured
}

// heading begins a table.
func (b *bench) heading(format string, args ...any) {
	fmt.Fprintf(b.out, "\n"+format+"\n\n| step | time | CPU | peak memory | of its own |\n|---|---|---|---|---|\n", args...)
}

// row prints the median of samples, and the slowest where that says something.
func (b *bench) row(step string, samples ...sample) {
	slices.SortFunc(samples, func(x, y sample) int { return cmp.Compare(x.took, y.took) })
	median := samples[len(samples)/2]
	took := short(median.took)
	if slowest := samples[len(samples)-1].took; slowest > 2*median.took {
		took += fmt.Sprintf(" (at most %s)", short(slowest))
	}
	var peak, own int64
	for _, s := range samples {
		peak, own = max(peak, s.peak), max(own, s.own)
	}
	fmt.Fprintf(b.out, "| %s | %s | %s | %s | %s |\n", step, took, short(median.cpu), size(peak), size(own))
}

// short is a duration of three digits; nothing if it is none.
func short(d time.Duration) string {
	if d == 0 {
		return ""
	}
	round := time.Duration(1)
	for d/round >= 1000 {
		round *= 10
	}
	return d.Round(round).String()
}

func size(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return humanize.IBytes(uint64(bytes))
}

// run runs granary on the repository.
func (b *bench) run(ctx context.Context, args ...string) (sample, error) {
	s, _, err := measure(ctx, b.granary, append([]string{"-q", "--repo", b.repo, "--state-dir", b.repo + ".state"}, args...)...)
	return s, err
}

// command runs granary so many times.
func (b *bench) command(ctx context.Context, step string, times int, args ...string) error {
	var samples []sample
	for range times {
		s, err := b.run(ctx, args...)
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	b.row(step, samples...)
	return nil
}

// part runs a part of this program, and prints a row for each name that it
// printed.
func (b *bench) part(ctx context.Context, args ...string) error {
	s, out, err := measure(ctx, b.self, args...)
	if err != nil {
		return err
	}
	var names []string
	samples := map[string][]sample{}
	for line := range bytes.Lines(out) {
		name, took, _ := strings.Cut(strings.TrimSpace(string(line)), "\t")
		ns, err := strconv.ParseInt(took, 10, 64)
		if err != nil {
			return fmt.Errorf("part %s printed %q", args[0], line)
		}
		if samples[name] == nil {
			names = append(names, name)
		}
		samples[name] = append(samples[name], sample{took: time.Duration(ns), peak: s.peak, own: s.own})
	}
	for _, name := range names {
		b.row(name, samples[name]...)
	}
	return nil
}

// took prints what a part measured.
func took(out io.Writer, name string, d time.Duration) error {
	_, err := fmt.Fprintf(out, "%s\t%d\n", name, d)
	return err
}

// files prints how many files a folder has, and what they take on the disk.
func (b *bench) files(what, dir string) error {
	count, bytes := 0, int64(0)
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		n, err := allocated(e)
		count, bytes = count+1, bytes+n
		return err
	})
	fmt.Fprintf(b.out, "\n%s: %s in %s files\n", what, size(bytes), humanize.Comma(int64(count)))
	return err
}
