package format

import (
	"bytes"
	"testing"
)

// What parses encodes to the same bytes; what does not is refused without a
// panic. Where a checksum guards an object, a second argument has the bytes
// sealed first, so that they get past it.

// fuzzRecord seeds f with whole records and with their payloads.
func fuzzRecord(f *testing.F, records [][]byte, seal func(payload []byte) ([]byte, error), reparse func([]byte) ([]byte, error)) {
	for _, r := range records {
		f.Add(r, false)
		f.Add(r[recordHeader:len(r)-recordSum], true)
	}
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			var err error
			if b, err = seal(b); err != nil {
				return // longer than any record
			}
		}
		if got, err := reparse(b); err == nil && !bytes.Equal(got, b) {
			t.Errorf("%x encodes to\n%x", b, got)
		}
	})
}

func FuzzConfig(f *testing.F) {
	record, err := sampleConfig().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	seal := func(payload []byte) ([]byte, error) {
		return sealRecord(KindConfig, ConfigName, sampleRepo, payload)
	}
	fuzzRecord(f, [][]byte{record}, seal, reparseConfig)
}

func FuzzSession(f *testing.F) {
	var records [][]byte
	for _, s := range []Session{sampleSessionRecord(), {ID: sampleSession}} {
		record, err := s.Marshal(sampleRepo)
		if err != nil {
			f.Fatal(err)
		}
		records = append(records, record)
	}
	seal := func(payload []byte) ([]byte, error) {
		return sealRecord(KindSession, SessionName(sampleSession), sampleRepo, payload)
	}
	fuzzRecord(f, records, seal, reparseSession)
}

func FuzzManifest(f *testing.F) {
	outside := sampleManifest()
	outside.Files = append(outside.Files, File{Path: "zz/external/\xff.log", Role: RoleLog, Size: 1})
	var records [][]byte
	for _, m := range []*Manifest{sampleManifest(), outside, {Session: sampleSession, Consistency: Crash, VM: "täst", Suffix: 2, Downtime: -1}} {
		record, err := m.Marshal(sampleRepo)
		if err != nil {
			f.Fatal(err)
		}
		records = append(records, record)
	}
	revocation, err := sealRecord(KindRevocation, ManifestName(sampleSession), sampleRepo, nil)
	if err != nil {
		f.Fatal(err)
	}
	seal := func(payload []byte) ([]byte, error) {
		return sealRecord(KindManifest, ManifestName(sampleSession), sampleRepo, payload)
	}
	fuzzRecord(f, append(records, revocation), seal, reparseManifest)
}

func FuzzForget(f *testing.F) {
	var records [][]byte
	for _, r := range []Forget{sampleForget(), {Session: sampleSession}, {Session: sampleSession, Time: -1, Reason: "täglich"}} {
		record, err := r.Marshal(sampleRepo)
		if err != nil {
			f.Fatal(err)
		}
		records = append(records, record)
	}
	seal := func(payload []byte) ([]byte, error) {
		return sealRecord(KindForget, ForgetName(sampleSession), sampleRepo, payload)
	}
	fuzzRecord(f, records, seal, reparseForget)
}

// FuzzPackTable takes whole packs, or a table of contents that it closes with
// header, grains of the lengths told, and trailer.
func FuzzPackTable(f *testing.F) {
	name := samplePackName(1)
	nodes, nodesTable := sampleNodesPack()
	data, _ := sampleDataPack()
	patches, patchesTable := samplePatchesPack()
	for _, pack := range [][]byte{data, nodes, patches} {
		f.Add(pack, byte(0), uint32(0))
	}
	table := func(pack []byte, entries int) []byte {
		return pack[len(pack)-TableSize(HeaderKind(pack), entries) : len(pack)-TrailerSize]
	}
	f.Add(table(data, 2), byte(Data), uint32(20+11))
	f.Add(table(nodes, 1), byte(Nodes), nodesTable.Entries[0].Stored)
	f.Add(table(patches, 1), byte(Patches), patchesTable.Entries[0].Stored)
	f.Fuzz(func(t *testing.T, b []byte, kind byte, grains uint32) {
		if kind == 0 {
			if got, err := reparsePack(name)(b); err == nil && !bytes.Equal(got, b) {
				t.Errorf("%x encodes to\n%x", b, got)
			}
			return
		}
		header := AppendPackHeader(nil, sampleRepo, name, PackKind(kind))
		covered := le.AppendUint32(bytes.Clone(b), uint32(len(b)/entrySize(PackKind(kind))))
		covered = append(le.AppendUint32(covered, 0), trailerMagic...)
		sum := checksum(tableContext, name.String(), header, covered)
		tail := append(covered, sum[:]...)
		size := PackHeaderSize + int64(grains) + int64(len(tail))
		got, err := ParseTable(name, sampleRepo, DefaultGrain, size, header, tail)
		if err == nil && !bytes.Equal(AppendTable(header, got)[PackHeaderSize:], tail) {
			t.Errorf("table %x encodes to another", b)
		}
	})
}

// A patch that is accepted is the one that makes the same of the base.
func FuzzPatch(f *testing.F) {
	f.Add(AppendPatch(nil, repeat('g', DefaultGrain), samplePatched()), DefaultGrain)
	f.Add(AppendPatch(nil, make([]byte, 700), repeat('p', 700)), 700)
	f.Add([]byte{0x80, 1}, 513)
	f.Fuzz(func(t *testing.T, patch []byte, plain int) {
		if plain < 1 || plain > MaxGrain {
			return // no table has it
		}
		base := make([]byte, plain)
		for i := range base {
			base[i] = byte(i/SectorSize) | 0x80
		}
		grain := bytes.Clone(base)
		if ApplyPatch(grain, patch) != nil {
			return
		}
		if len(patch) > MaxPatch(plain) {
			t.Errorf("a patch of %d bytes for a grain of %d", len(patch), plain)
		}
		again := bytes.Clone(base)
		if bytes.Equal(grain, base) {
			return // sectors put in as they were
		}
		if err := ApplyPatch(again, AppendPatch(nil, base, grain)); err != nil || !bytes.Equal(again, grain) {
			t.Errorf("%x makes another grain when it is made again: %v", patch, err)
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add(sampleNode().AppendTo(nil), byte(1), int64(2))
	f.Add(nodeWith(0, 255), byte(3), Span(3))
	f.Add(nodeWith(0)[:NodeSize-1], byte(1), int64(1))
	f.Fuzz(func(t *testing.T, b []byte, height byte, grains int64) {
		h := int(height)%MaxHeight + 1
		if grains < 1 || grains > Span(h) {
			return // no reader asks for it
		}
		n, err := ParseNode(b, h, grains)
		if err == nil && !bytes.Equal(n.AppendTo(nil), b) {
			t.Errorf("%x encodes to another node", b)
		}
	})
}

func FuzzPackName(f *testing.F) {
	f.Add(samplePackName(1).String())
	f.Add(samplePackName(1 << 31).String())
	f.Add("packs/../config")
	f.Fuzz(func(t *testing.T, name string) {
		if p, err := ParsePackName(name); err == nil && p.String() != name {
			t.Errorf("%q is %v", name, p)
		}
	})
}
