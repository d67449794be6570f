package format

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// PackKind tells what the grains of a pack are.
type PackKind uint8

// Data grains, nodes and patches never share a pack. Patches are data grains,
// stored as what differs from another.
const (
	Data    PackKind = 1
	Nodes   PackKind = 2
	Patches PackKind = 3
)

// Encoding tells how a grain is stored.
type Encoding uint8

// The encodings of docs/format.md section 6.
const (
	Raw  Encoding = 0
	Zstd Encoding = 1
)

// Limits and sizes of packs, in bytes unless said otherwise.
const (
	PackHeaderSize = 64
	EntrySize      = 44
	PatchEntrySize = EntrySize + 32
	TrailerSize    = 48
	MaxPackPayload = 32 << 20
	MaxEntries     = 16384 // grains
	MaxPackSize    = PackHeaderSize + MaxPackPayload + MaxEntries*PatchEntrySize + TrailerSize

	packMagic    = "grnpack\n"
	trailerMagic = "grntable"
)

// PacksPrefix holds the packs, a folder for each session.
const PacksPrefix = "packs/"

// PackName names a pack: the number'th of a session, from 1.
type PackName struct {
	Session SessionID
	Number  uint32
}

func (p PackName) String() string {
	return fmt.Sprintf("%s%s/%08x", PacksPrefix, p.Session, p.Number)
}

// ParsePackName reads the name of an object as String writes it.
func ParsePackName(name string) (PackName, error) {
	rest, ok := strings.CutPrefix(name, PacksPrefix)
	session, number, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || len(number) != 8 {
		return PackName{}, fmt.Errorf("%q is not the name of a pack", name)
	}
	id, err := ParseSessionID(session)
	if err != nil {
		return PackName{}, fmt.Errorf("pack %q: %w", name, err)
	}
	n, err := strconv.ParseUint(number, 16, 32)
	p := PackName{Session: id, Number: uint32(n)}
	if err != nil || p.String() != name || n == 0 {
		return PackName{}, fmt.Errorf("%q is not the name of a pack", name)
	}
	return p, nil
}

// Entry is a grain in a pack's table of contents.
type Entry struct {
	ID       ID
	Stored   uint32 // bytes in the pack
	Plain    uint32 // bytes once decoded
	Encoding Encoding
	Base     ID // of a patch, else zero
}

// PackTable is all that a pack says of itself.
type PackTable struct {
	Name    PackName
	Kind    PackKind
	Entries []Entry
}

// AppendPackHeader begins a pack.
func AppendPackHeader(b []byte, repo RepoID, name PackName, kind PackKind) []byte {
	b = append(b, packMagic...)
	b = le.AppendUint16(b, Version)
	b = append(b, byte(kind), 0)
	b = le.AppendUint32(b, name.Number)
	b = append(b, repo[:]...)
	b = append(b, name.Session[:]...)
	return append(b, make([]byte, 16)...)
}

// AppendTable ends a pack whose header and grains are pack: it appends table
// and trailer.
func AppendTable(pack []byte, t PackTable) []byte {
	header := pack[:PackHeaderSize]
	from := len(pack)
	for _, e := range t.Entries {
		pack = append(pack, e.ID[:]...)
		pack = le.AppendUint32(pack, e.Stored)
		pack = le.AppendUint32(pack, e.Plain)
		pack = append(pack, byte(e.Encoding), 0, 0, 0)
		if t.Kind == Patches {
			pack = append(pack, e.Base[:]...)
		}
	}
	pack = le.AppendUint32(pack, uint32(len(t.Entries)))
	pack = le.AppendUint32(pack, 0)
	pack = append(pack, trailerMagic...)
	sum := checksum(tableContext, t.Name.String(), header, pack[from:])
	return append(pack, sum[:]...)
}

// TableSize is the length of table and trailer of a pack of so many entries.
func TableSize(kind PackKind, entries int) int { return entries*entrySize(kind) + TrailerSize }

func entrySize(kind PackKind) int {
	if kind == Patches {
		return PatchEntrySize
	}
	return EntrySize
}

// HeaderKind reads the kind off a pack's first PackHeaderSize bytes, which
// ParseTable verifies; 0 if they are fewer.
func HeaderKind(header []byte) PackKind {
	if len(header) < PackHeaderSize {
		return 0
	}
	return PackKind(header[10])
}

// ParseTrailer reads the number of entries off the last TrailerSize bytes of
// a pack, for a reader that has no manifest to tell it.
func ParseTrailer(trailer []byte) (entries int, err error) {
	c := cursor{b: trailer}
	n := c.u32()
	c.zero(4)
	if c.err == nil && (string(c.bytes(8)) != trailerMagic || n == 0 || n > MaxEntries) {
		c.fail("no table of contents at its end")
	}
	if len(trailer) != TrailerSize {
		c.fail("short trailer")
	}
	return int(n), c.err
}

// ParseTable decodes a pack's first PackHeaderSize bytes and its last
// TableSize bytes; size is the whole object's. grain is the repository's
// grain size.
func ParseTable(name PackName, repo RepoID, grain int, size int64, header, tail []byte) (PackTable, error) {
	t := PackTable{Name: name}
	fail := func(why string) (PackTable, error) {
		return PackTable{}, fmt.Errorf("%s: %w: %s", name, ErrCorrupt, why)
	}
	if len(header) != PackHeaderSize || len(tail) < TrailerSize {
		return fail("too short for a pack")
	}
	if string(header[:8]) != packMagic {
		return fail("not a pack")
	}
	if version, suite := le.Uint16(header[8:]), header[11]; version > Version || suite != 0 {
		return PackTable{}, fmt.Errorf("%s: %w (format %d, suite %d)", name, ErrNewer, version, suite)
	}
	t.Kind = HeaderKind(header)
	if want := AppendPackHeader(nil, repo, name, t.Kind); !bytes.Equal(header, want) {
		return fail("its header belongs to another pack or repository")
	}
	if !t.Kind.valid() {
		return fail("unknown kind of pack")
	}
	n, err := ParseTrailer(tail[len(tail)-TrailerSize:])
	if err != nil {
		return PackTable{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(tail) != TableSize(t.Kind, n) {
		return fail("its table is cut short")
	}
	covered, got := tail[:len(tail)-32], tail[len(tail)-32:]
	if want := checksum(tableContext, name.String(), header, covered); !bytes.Equal(got, want[:]) {
		return fail("checksum of its table does not match")
	}
	c := cursor{b: covered[:n*entrySize(t.Kind)]}
	stored := int64(0)
	t.Entries = make([]Entry, n)
	for i := range t.Entries {
		e := &t.Entries[i]
		c.fixed(e.ID[:])
		e.Stored, e.Plain, e.Encoding = c.u32(), c.u32(), Encoding(c.u8())
		c.zero(3)
		if t.Kind == Patches {
			c.fixed(e.Base[:])
		}
		if c.err != nil || !e.valid(t.Kind, grain) {
			return fail("impossible entry in its table")
		}
		stored += int64(e.Stored)
	}
	if stored > MaxPackPayload || PackHeaderSize+stored+int64(len(tail)) != size {
		return fail("its grains do not fill it")
	}
	return t, nil
}

func (k PackKind) valid() bool { return k == Data || k == Nodes || k == Patches }

func (e Entry) valid(kind PackKind, grain int) bool {
	if e.ID.IsZero() || e.Plain < 1 || e.Stored < 1 {
		return false
	}
	switch kind {
	case Nodes:
		if e.Plain != NodeSize {
			return false
		}
	case Patches:
		return int(e.Plain) <= grain && int(e.Stored) <= MaxPatch(int(e.Plain)) && !e.Base.IsZero() && e.Base != e.ID
	default:
		if int(e.Plain) > grain {
			return false
		}
	}
	return e.Stored <= e.Plain && (e.Encoding != Raw || e.Stored == e.Plain)
}
