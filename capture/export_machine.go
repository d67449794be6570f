package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"granary/capture/vcb"
)

// export runs the exporter. Its snapshot and its folder are the release's to
// remove.
func (m *machine) export(ctx context.Context) error {
	err := m.act(stepExport, stepExported, "exporting the VM", func() error {
		return m.exporter.Export(ctx, m.target, m.journal.intent.Export)
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	// A snapshot that appears from now on is another backup's.
	if left, err := m.leftover(context.WithoutCancel(ctx)); err == nil && !left {
		return m.journal.note(stepCleared)
	}
	return nil
}

// snapshotPoll is how often the export's snapshot is looked for while the guest
// is down.
const snapshotPoll = 250 * time.Millisecond

// awaitExportSnapshot returns true once the export's snapshot exists, and false
// if the export or ctx has ended before.
func (m *machine) awaitExportSnapshot(ctx context.Context, ended <-chan struct{}) bool {
	m.step("waiting for the export's snapshot")
	for {
		names, err := m.hv.Snapshots(ctx, m.vmx)
		if err == nil && slices.Contains(names, vcb.LeftoverSnapshot) {
			return true
		}
		if err != nil {
			m.log.Debug("the export's snapshot cannot be looked for", "err", err)
		}
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			return false
		case <-time.After(snapshotPoll):
		}
	}
}

// leftover tells whether a snapshot of an export is there. Where nobody can
// tell, there is none to speak of, unless the operator asked for it.
func (m *machine) leftover(ctx context.Context) (bool, error) {
	if m.hv != nil {
		names, err := m.hv.Snapshots(ctx, m.vmx)
		if err != nil {
			return false, fmt.Errorf("look for the snapshot %s: %w", vcb.LeftoverSnapshot, err)
		}
		return slices.Contains(names, vcb.LeftoverSnapshot), nil
	}
	left, err := m.exporter.Leftover(ctx, m.target)
	if errors.Is(err, vcb.ErrCannotTell) && !m.deleteLeftover {
		if m.journal.has(stepExport) && !m.journal.has(stepExported) {
			m.log.Warn("whether the export left its snapshot cannot be told: look for it in the host's snapshot manager, and delete it there",
				"snapshot", vcb.LeftoverSnapshot, "err", err)
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the snapshot %s: %w", vcb.LeftoverSnapshot, err)
	}
	return left, nil
}

// clearLeftover sees to it that no export's snapshot is there. All exports'
// snapshots have one name, so one that we did not make is deleted only if the
// operator asked for that.
func (m *machine) clearLeftover(ctx context.Context, ours bool) error {
	left, err := m.leftover(ctx)
	if err != nil || !left {
		return err
	}
	if !ours && !m.deleteLeftover {
		return vcb.ErrLeftover
	}
	m.step("deleting the export's snapshot")
	if m.hv != nil {
		err = m.hv.DeleteSnapshot(ctx, m.vmx, vcb.LeftoverSnapshot)
	} else {
		err = m.exporter.DeleteLeftover(ctx, m.target)
	}
	if err != nil {
		return fmt.Errorf("delete the snapshot %s: %w", vcb.LeftoverSnapshot, err)
	}
	return nil
}

// removeExport undoes an export: it is unmounted, and its folder and its
// snapshot are removed. There was no snapshot before, else the export would not
// have begun or would have been refused: what is there is ours, as long as no
// other export can have begun since.
func (m *machine) removeExport(ctx context.Context) error {
	dir := m.journal.intent.Export
	if dir == "" || !m.journal.has(stepExport) {
		return nil
	}
	m.step("removing the export")
	if err := m.exporter.EndOrphans(ctx, dir); err != nil {
		return fmt.Errorf("end the interrupted export: %w", err)
	}
	removed := m.journal.has(stepUnmounted)
	_, err := os.Lstat(dir)
	if err == nil {
		// An export that ended half-way may know nothing to unmount; what
		// counts is that its snapshot and folder are gone.
		if err := m.exporter.Unmount(ctx, dir); err != nil {
			m.log.Warn("the export could not be unmounted", "folder", dir, "err", err)
		}
		removed = true
		if err := m.journal.note(stepUnmounted); err != nil {
			m.log.Warn("the export is removed without its journal", "folder", dir, "err", err)
		}
		if err := vcb.Remove(dir); err != nil {
			return fmt.Errorf("remove the export: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the export: %w", err)
	}
	if m.journal.last(stepExport, stepExport.failed()) != stepExport || m.journal.has(stepCleared) {
		return nil // it was refused, and made none; or it took its own away
	}
	if !removed {
		// The folder was never made, or somebody has cleaned up.
		if left, err := m.leftover(ctx); err == nil && left {
			m.log.Warn("a snapshot is left alone that may be another backup's; if none is at work, capture with --delete-vcb-snapshot",
				"snapshot", vcb.LeftoverSnapshot, "vm", m.target.String())
		}
		return nil
	}
	return m.clearLeftover(ctx, true)
}
