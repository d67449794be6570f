//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
)

// Report is what a consistent set of disks tells.
type Report struct {
	ID    ID
	Seq   uint64   // newest sequence, on the first disk
	Boots uint64   // how often the guest had been started
	Flag  Flag     // other than Running only if every disk says so last
	Max   []uint64 // newest sequence of each disk
}

// Verify reads the stamps of a set of disks, given in the machine's order, and
// checks that they show one point in time:
//
//   - on each disk the slots hold an unbroken window of sequences, none torn;
//   - the newest sequence never rises from one disk to the next, and the last
//     disk is at most one behind the first;
//   - what every disk has completed is the same on all of them.
//
// A set that fails gives an error that wraps ErrTorn and says what was found;
// other errors mean that the disks could not be read. Nothing is written, no
// lock is taken: the disks may lie on a read-only or FUSE mount. A guest that
// writes while its live disks are verified is a tear like any other.
func Verify(ctx context.Context, disks []string) (Report, error) {
	if len(disks) == 0 {
		return Report{}, errors.New("verify: no disks given")
	}
	var devices []*Device
	defer func() {
		for _, device := range devices {
			device.Kill() // read-only: there is nothing to lose
		}
	}()
	for _, disk := range disks {
		device, err := OpenDeviceReadOnly(ctx, disk)
		if err != nil {
			return Report{}, fmt.Errorf("verify: %w", err)
		}
		devices = append(devices, device)
	}
	set, err := readSet(devices)
	if err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return set.report(), nil
}

// diskSet is the regions of all disks of a machine.
type diskSet []*region

// readSet reads the regions of all devices and checks them against each other.
func readSet(devices []*Device) (diskSet, error) {
	var set diskSet
	for number, device := range devices {
		reg, err := readRegion(device, device.Size(), number, len(devices))
		if err != nil {
			return nil, err
		}
		set = append(set, reg)
	}
	return set, set.check()
}

func (s diskSet) check() error {
	first, last := s[0], s[len(s)-1]
	for number := 1; number < len(s); number++ {
		before, here := s[number-1].newest.Seq, s[number].newest.Seq
		if here > before {
			return fmt.Errorf("%w: disk %d is at sequence %d, disk %d before it only at %d", ErrTorn, number, here, number-1, before)
		}
	}
	if last.newest.Seq+1 < first.newest.Seq {
		return fmt.Errorf("%w: disk 0 is at sequence %d, disk %d still at %d", ErrTorn, first.newest.Seq, len(s)-1, last.newest.Seq)
	}
	// The round in progress may differ: after a power cut it is written again.
	for seq, want := range first.records {
		if seq == first.newest.Seq {
			continue
		}
		for number, reg := range s {
			got, ok := reg.records[seq]
			got.Disk = want.Disk
			if ok && got != want {
				return fmt.Errorf("%w: sequence %d is %+v on disk 0 and %+v on disk %d", ErrTorn, seq, want, got, number)
			}
		}
	}
	for number, reg := range s {
		if reg.newest.ID != first.newest.ID {
			return fmt.Errorf("%w: disk %d belongs to another machine than disk 0", ErrTorn, number)
		}
	}
	return nil
}

// complete returns the newest sequence that every disk holds.
func (s diskSet) complete() uint64 { return s[len(s)-1].newest.Seq }

func (s diskSet) report() Report {
	newest := s[0].newest
	r := Report{ID: newest.ID, Seq: newest.Seq, Boots: newest.Boots, Flag: newest.Flag}
	for _, reg := range s {
		r.Max = append(r.Max, reg.newest.Seq)
		if reg.newest.Seq != newest.Seq || reg.newest.Flag != newest.Flag {
			r.Flag = Running
		}
	}
	return r
}
