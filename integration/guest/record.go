package guest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// RecordSize is the length of one stamp. It is one page and never crosses a
// grain, so that a writer killed in the middle leaves the old or the new stamp.
const RecordSize = 4096

// Flag tells what the guest was doing when it wrote a stamp.
type Flag uint32

// The flags of a stamp.
const (
	Running       Flag = 1
	CleanShutdown Flag = 2
	Suspended     Flag = 3
	Quiesced      Flag = 4 // by itself, for a snapshot: it writes nothing until it resumes
)

func (f Flag) String() string {
	switch f {
	case Running:
		return "running"
	case CleanShutdown:
		return "clean-shutdown"
	case Suspended:
		return "suspended"
	case Quiesced:
		return "quiesced"
	}
	return "unknown"
}

// ID tells one virtual machine's stamps from another's.
type ID [16]byte

// NewID derives an ID from the machine's name, so that a machine made again
// from the same description carries the same stamps.
func NewID(name string) ID {
	sum := sha256.Sum256([]byte("granary stand-in guest " + name))
	return ID(sum[:16])
}

// Record is one stamp.
type Record struct {
	ID    ID
	Disk  uint32 // number of the disk it lies on, from 0
	Disks uint32 // how many disks the machine has
	Seq   uint64 // counts up by one a round over all disks
	Boots uint64 // how often the guest was started, resumes not counted
	Flag  Flag
}

const (
	recordMagic = "GRSTAMP1"
	offID       = 8
	offDisk     = 24
	offDisks    = 28
	offSeq      = 32
	offBoots    = 40
	offFlag     = 48
	offCRC      = 52
	offPattern  = 56
)

var (
	errBlank = errors.New("blank slot")
	errBad   = errors.New("damaged stamp")
)

// encode returns the RecordSize bytes of r. The rest of the page follows from
// the sequence number, so that halves of two stamps never look like one.
func (r Record) encode() []byte {
	page := make([]byte, RecordSize)
	copy(page, recordMagic)
	copy(page[offID:], r.ID[:])
	binary.LittleEndian.PutUint32(page[offDisk:], r.Disk)
	binary.LittleEndian.PutUint32(page[offDisks:], r.Disks)
	binary.LittleEndian.PutUint64(page[offSeq:], r.Seq)
	binary.LittleEndian.PutUint64(page[offBoots:], r.Boots)
	binary.LittleEndian.PutUint32(page[offFlag:], uint32(r.Flag))
	fillPattern(page[offPattern:], r.Seq, r.Disk)
	binary.LittleEndian.PutUint32(page[offCRC:], crc32.ChecksumIEEE(page))
	return page
}

// fillPattern writes a cheap pseudo-random run (splitmix64) seeded by the stamp.
func fillPattern(b []byte, seq uint64, disk uint32) {
	state := seq<<8 ^ uint64(disk)
	for len(b) >= 8 {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(b, z^z>>31)
		b = b[8:]
	}
}

// decodeRecord returns the stamp in page; errBlank for a slot never written,
// errBad for one that is torn or foreign.
func decodeRecord(page []byte) (Record, error) {
	if len(bytes.TrimLeft(page, "\x00")) == 0 {
		return Record{}, errBlank
	}
	if string(page[:len(recordMagic)]) != recordMagic {
		return Record{}, errBad
	}
	r := Record{
		ID:    ID(page[offID:offDisk]),
		Disk:  binary.LittleEndian.Uint32(page[offDisk:]),
		Disks: binary.LittleEndian.Uint32(page[offDisks:]),
		Seq:   binary.LittleEndian.Uint64(page[offSeq:]),
		Boots: binary.LittleEndian.Uint64(page[offBoots:]),
		Flag:  Flag(binary.LittleEndian.Uint32(page[offFlag:])),
	}
	// Encoding it again checks checksum, pattern and padding at once.
	if !bytes.Equal(r.encode(), page) {
		return Record{}, errBad
	}
	return r, nil
}
