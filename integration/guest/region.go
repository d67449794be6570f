package guest

import (
	"errors"
	"fmt"
	"io"
)

// The stamp region: Slots records, SlotSpacing apart, at the end of the disk.
// The spacing puts each slot into a grain of its own and spreads the region
// over one whole grain table, so that a copy takes a while to pass it.
const (
	Slots       = 64
	SlotSpacing = 512 << 10
	RegionSize  = Slots * SlotSpacing
)

// ErrTorn says that disks do not show one point in time.
var ErrTorn = errors.New("disks do not show one point in time")

// slotOffset returns where sequence seq lies on a disk of the given size.
func slotOffset(size int64, seq uint64) int64 {
	return size - RegionSize + int64(seq%Slots)*SlotSpacing
}

// FormatDisk writes the first stamp of disk number disk, out of disks, to an
// image of the given size. It carries sequence 1, no boot and CleanShutdown: a
// machine as it comes from its maker, switched off. The region must be zero.
func FormatDisk(w io.WriterAt, size int64, id ID, disk, disks int) error {
	if size < RegionSize {
		return fmt.Errorf("format stamps: disk of %d bytes is smaller than the region of %d", size, int64(RegionSize))
	}
	first := Record{ID: id, Disk: uint32(disk), Disks: uint32(disks), Seq: 1, Flag: CleanShutdown}
	if _, err := w.WriteAt(first.encode(), slotOffset(size, first.Seq)); err != nil {
		return fmt.Errorf("format stamps: %w", err)
	}
	return nil
}

// region is what the slots of one disk hold.
type region struct {
	records map[uint64]Record // by sequence
	newest  Record
}

// readRegion reads and checks the slots of one disk: none torn, one machine,
// and the unbroken window that a writer leaves at any one moment.
func readRegion(r io.ReaderAt, size int64, disk, disks int) (*region, error) {
	if size < RegionSize {
		return nil, fmt.Errorf("%w: disk %d: %d bytes are too few for a stamp region", ErrTorn, disk, size)
	}
	reg := &region{records: make(map[uint64]Record, Slots)}
	page := make([]byte, RecordSize)
	for slot := range uint64(Slots) {
		if _, err := r.ReadAt(page, slotOffset(size, slot)); err != nil {
			return nil, fmt.Errorf("disk %d: read slot %d: %w", disk, slot, err)
		}
		record, err := decodeRecord(page)
		if errors.Is(err, errBlank) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: disk %d: slot %d: %w", ErrTorn, disk, slot, err)
		}
		if err := checkPlace(record, slot, disk, disks); err != nil {
			return nil, err
		}
		reg.records[record.Seq] = record
		if record.Seq > reg.newest.Seq {
			reg.newest = record
		}
	}
	return reg, reg.checkWindow(disk)
}

// checkPlace reports a stamp that lies where its writer never put it.
func checkPlace(r Record, slot uint64, disk, disks int) error {
	switch {
	case r.Seq%Slots != slot:
		return fmt.Errorf("%w: disk %d: slot %d holds sequence %d", ErrTorn, disk, slot, r.Seq)
	case int(r.Disk) != disk:
		return fmt.Errorf("%w: disk %d carries the stamps of disk %d", ErrTorn, disk, r.Disk)
	case int(r.Disks) != disks:
		return fmt.Errorf("%w: disk %d belongs to a machine of %d disks, %d were given", ErrTorn, disk, r.Disks, disks)
	}
	return nil
}

// checkWindow reports a gap: the slots must hold max-Slots+1..max, or 1..max
// when the machine is young. A copy that ran beside the writer holds newer
// stamps in the slots that it read later.
func (reg *region) checkWindow(disk int) error {
	newest := reg.newest.Seq
	if newest == 0 {
		return fmt.Errorf("%w: disk %d: no stamp at all", ErrTorn, disk)
	}
	oldest := uint64(1)
	if newest > Slots {
		oldest = newest - Slots + 1
	}
	for seq := oldest; seq <= newest; seq++ {
		if _, ok := reg.records[seq]; !ok {
			return fmt.Errorf("%w: disk %d: newest sequence is %d, yet %d is missing", ErrTorn, disk, newest, seq)
		}
	}
	if want := int(newest - oldest + 1); len(reg.records) != want {
		return fmt.Errorf("%w: disk %d: %d stamps where %d..%d make %d", ErrTorn, disk, len(reg.records), oldest, newest, want)
	}
	return nil
}
