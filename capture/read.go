package capture

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"granary/repo"
	"granary/repo/format"
)

// What is kept in memory of all VMs of a set, in bytes: logs leave
// heldForConfig to the configurations, without which there is no generation.
const (
	maxHeld       = 64 << 20
	heldForConfig = 32 << 20
)

// hold reads the small files while the VM is at rest, within the bytes of room,
// and lessens that by what it keeps.
func (c *run) hold(room *int64) error {
	for _, p := range c.plan.Files {
		if p.Role != format.RoleConfig && p.Role != format.RoleLog {
			continue
		}
		s, err := openSource(p)
		if err != nil {
			return err
		}
		entry := s.entry
		s.Close()
		left := *room
		if p.Role == format.RoleLog {
			left -= heldForConfig
		}
		if entry.Size > left {
			if p.Role == format.RoleLog {
				c.Log.Warn("a log is too long to be captured with the rest", "file", p.Source, "bytes", entry.Size)
				c.held[p.Path] = heldFile{}
				continue
			}
			return fmt.Errorf("%s has %d bytes: too many for a configuration file", p.Source, entry.Size)
		}
		data, err := readSmall(p.Source, left)
		if err != nil {
			return err
		}
		entry.Size = int64(len(data))
		*room -= entry.Size
		c.held[p.Path] = heldFile{entry, data}
	}
	return nil
}

// readLast sorts the big files behind the small ones.
var readLast = map[format.Role]int{format.RoleMemory: 1, format.RoleDisk: 2}

// read captures all files of the plan, small ones first.
func (c *run) read(ctx context.Context) error {
	c.Step("reading")
	order := slices.Clone(c.plan.Files)
	slices.SortStableFunc(order, func(a, b PlannedFile) int { return cmp.Compare(readLast[a.Role], readLast[b.Role]) })
	c.Total(c.plan.Size())
	for _, p := range order {
		f, err := c.add(ctx, p)
		if err != nil {
			return err
		}
		if f != nil {
			c.files = append(c.files, *f)
		}
	}
	slices.SortFunc(c.files, func(a, b format.File) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// add captures a file, from memory if it is held. It returns nil for one that
// is left out.
func (c *run) add(ctx context.Context, p PlannedFile) (*format.File, error) {
	in := repo.Input{Parent: c.parentOf(p.Path), Progress: c.Progress}
	if h, held := c.held[p.Path]; held {
		if h.data == nil {
			return nil, nil
		}
		in.File, in.Content = h.entry, bytes.NewReader(h.data)
		f, err := c.writer.Add(ctx, in)
		return &f, err
	}
	s, err := openSource(p)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	in.File, in.Content = s.entry, s
	s.limit(ctx, c.ReadLimit)
	if !c.FullScan && c.writer.Unchanged(in) {
		f := c.writer.Reuse(in)
		if c.Progress != nil {
			c.Progress(f.Size)
		}
		return &f, nil
	}
	f, err := c.writer.Add(ctx, in)
	if err != nil {
		return nil, err
	}
	return &f, s.unchanged(p)
}

// stillAtRest proves, after all files of a VM at rest were read, that they are
// of one point in time and whole: none changed while the others were read, as by
// a VM that ran for a moment between, and the VM has no others, as after a
// snapshot.
func (c *run) stillAtRest() error {
	// First: asRead then tells that the configuration was the same when it was
	// read.
	plan, err := c.newPlan()
	if err != nil {
		return fmt.Errorf("look at the VM again: %w", err)
	}
	if other := differing(c.plan.Files, plan.Files); other != "" {
		return fmt.Errorf("%s was added to the VM or removed while that was captured: %w", other, repo.ErrChanged)
	}
	if err := c.asRead(); err != nil {
		return err
	}
	return c.plan.proveOff()
}

// differing names a file that only one of two plans has, empty if there is none.
func differing(a, b []PlannedFile) string {
	if slices.Equal(a, b) {
		return ""
	}
	i := slices.IndexFunc(b, func(f PlannedFile) bool { return !slices.Contains(a, f) })
	if i >= 0 {
		return b[i].Source
	}
	return differing(b, a)
}

// asRead fails if a file changed after it was read. The held ones may: what was
// captured of them is in memory.
func (c *run) asRead() error {
	for i := range c.files {
		f := &c.files[i]
		if _, held := c.held[f.Path]; held {
			continue
		}
		info, err := os.Stat(f.Source)
		if err != nil {
			return fmt.Errorf("look at what was read: %w", err)
		}
		if info.Size() != f.Size || info.ModTime().UnixNano() != f.ModTime {
			return fmt.Errorf("%s: %w, or while other files were", f.Source, repo.ErrChanged)
		}
	}
	return nil
}

func (c *run) parentOf(path string) *repo.ParentFile {
	if c.preflight.Parent == nil {
		return nil
	}
	f := c.preflight.Parent.File(path)
	if f == nil {
		return nil
	}
	return &repo.ParentFile{Generation: c.preflight.Parent, File: f}
}
