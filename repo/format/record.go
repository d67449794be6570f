package format

import (
	"bytes"
	"fmt"
	"slices"
)

// RecordKind tells what a record's payload is.
type RecordKind uint16

// The kinds of records, as docs/format.md section 3 numbers them.
const (
	KindConfig     RecordKind = 1
	KindSession    RecordKind = 2
	KindManifest   RecordKind = 3
	KindRevocation RecordKind = 4
	KindForget     RecordKind = 5
)

const (
	recordMagic  = "granary\n"
	recordHeader = 32
	recordSum    = 32
	maxPayload   = 64 << 20
	// MaxRecord is the size of the largest record, in bytes.
	MaxRecord = recordHeader + maxPayload + recordSum
)

// RepoID tells one repository from another.
type RepoID [16]byte

// sealRecord wraps a payload for the object of the given name.
func sealRecord(kind RecordKind, name string, repo RepoID, payload []byte) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("record %s: %d bytes, more than %d", name, len(payload), maxPayload)
	}
	b := make([]byte, 0, recordHeader+len(payload)+recordSum)
	b = append(b, recordMagic...)
	b = le.AppendUint16(b, uint16(kind))
	b = le.AppendUint16(b, Version)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = append(b, repo[:]...)
	b = append(b, payload...)
	sum := checksum(recordContext, name, b)
	return append(b, sum[:]...), nil
}

// openRecord checks all but the repository's ID, and returns what it found.
func openRecord(name string, b []byte) (RecordKind, RepoID, []byte, error) {
	var repo RepoID
	if len(b) < len(recordMagic) || string(b[:len(recordMagic)]) != recordMagic {
		return 0, repo, nil, fmt.Errorf("%s: %w", name, ErrNotRepository)
	}
	c := cursor{b: b[len(recordMagic):]}
	kind, version, n := RecordKind(c.u16()), c.u16(), c.u32()
	c.fixed(repo[:])
	if c.err != nil {
		return 0, repo, nil, fmt.Errorf("%s: %w", name, c.err)
	}
	if version > Version {
		return 0, repo, nil, fmt.Errorf("%s: %w (format %d, this one reads up to %d)", name, ErrNewer, version, Version)
	}
	if version == 0 || n > maxPayload || uint64(len(b)) != recordHeader+uint64(n)+recordSum {
		return 0, repo, nil, fmt.Errorf("%s: %w: wrong length or version", name, ErrCorrupt)
	}
	body, got := b[:recordHeader+n], b[recordHeader+n:]
	if want := checksum(recordContext, name, body); !bytes.Equal(got, want[:]) {
		return 0, repo, nil, fmt.Errorf("%s: %w: checksum does not match", name, ErrCorrupt)
	}
	return kind, repo, body[recordHeader:], nil
}

// openOwnRecord is openRecord for a record of a known repository, of one of
// the kinds that may stand under that name.
func openOwnRecord(name string, repo RepoID, b []byte, kinds ...RecordKind) (RecordKind, []byte, error) {
	kind, of, payload, err := openRecord(name, b)
	if err != nil {
		return 0, nil, err
	}
	if !slices.Contains(kinds, kind) {
		return 0, nil, fmt.Errorf("%s: %w: a record of kind %d does not belong there", name, ErrCorrupt, kind)
	}
	if of != repo {
		return 0, nil, fmt.Errorf("%s: %w: belongs to another repository", name, ErrCorrupt)
	}
	return kind, payload, nil
}
