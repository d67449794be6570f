package format

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// plainGrains are a pack's grains, decoded and proved by their IDs. bases are
// those of patches.
func plainGrains(b []byte, t PackTable, bases map[ID][]byte) (plain [][]byte, ok bool) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic(err) // the options are constants
	}
	defer decoder.Close()
	hasher := NewHasher()
	at := PackHeaderSize
	for _, e := range t.Entries {
		grain := b[at : at+int(e.Stored)]
		at += int(e.Stored)
		if e.Encoding == Zstd {
			if grain, err = decoder.DecodeAll(grain, make([]byte, 0, MaxPatch(int(e.Plain)))); err != nil {
				return nil, false
			}
		}
		if t.Kind == Patches {
			patched := bytes.Clone(bases[e.Base])
			if ApplyPatch(patched, grain) != nil {
				return nil, false
			}
			grain = patched
		}
		if len(grain) != int(e.Plain) || hasher.ID(t.Kind, grain) != e.ID {
			return nil, false
		}
		plain = append(plain, grain)
	}
	return plain, true
}

// The table's checksum covers header, table and trailer, IDs cover the grains.
func TestEachFlippedByteOfAPackIsNoticed(t *testing.T) {
	for _, o := range packs() {
		t.Run(o.name, func(t *testing.T) {
			name := samplePackName(uint32(o.bytes[12]))
			copy(name.Session[:], o.bytes[32:])
			bases := map[ID][]byte{sampleNode()[1]: sampleGrains[1].plain}
			table, err := parsePack(name, o.bytes)
			if err != nil {
				t.Fatal(err)
			}
			want, ok := plainGrains(o.bytes, table, bases)
			if !ok {
				t.Fatal("the sample's grains do not match their IDs")
			}
			grains := PackHeaderSize
			tail := len(o.bytes) - TableSize(table.Kind, len(table.Entries))
			for i := range o.bytes {
				for _, mask := range []byte{1, 0x80, 0xff} {
					b := bytes.Clone(o.bytes)
					b[i] ^= mask
					flipped, err := parsePack(name, b)
					if i < grains || i >= tail {
						if err == nil {
							t.Errorf("byte %d ^ %#x of header or table is accepted", i, mask)
						}
						continue
					}
					// A zstd frame has bits without meaning.
					if got, ok := plainGrains(b, flipped, bases); err != nil || ok && !slices.EqualFunc(got, want, bytes.Equal) {
						t.Errorf("byte %d ^ %#x of a grain: other bytes with the same ID, %v", i, mask, err)
					}
				}
			}
		})
	}
}

// retabled is a pack whose table and trailer were changed, under a checksum
// that matches.
func retabled(name PackName, pack []byte, entries int, change func(tail []byte)) []byte {
	b := bytes.Clone(pack[:len(pack)-32])
	change(b[len(b)-(TableSize(Data, entries)-32):])
	sum := checksum(tableContext, name.String(), b[:PackHeaderSize], b[len(b)-(TableSize(Data, entries)-32):])
	return append(b, sum[:]...)
}

func TestPackTableRefusals(t *testing.T) {
	data, dataTable := sampleDataPack()
	nodes, nodesTable := sampleNodesPack()
	header := func(at int, with byte) []byte {
		b := patched(data, at, with)
		return retabled(dataTable.Name, b, 2, func([]byte) {})
	}
	table := func(change func(tail []byte)) []byte { return retabled(dataTable.Name, data, 2, change) }
	second := EntrySize // the zstd one
	trailer := 2 * EntrySize
	for _, c := range []struct {
		what string
		pack []byte
		want error
	}{
		{"another magic", header(0, 'G'), ErrCorrupt},
		{"a newer version", header(8, 2), ErrNewer},
		{"version 0", header(8, 0), ErrCorrupt},
		{"kind 0", header(10, 0), ErrCorrupt},
		{"kind 3, whose entries are longer", header(10, 3), ErrCorrupt},
		{"kind 4", header(10, 4), ErrCorrupt},
		{"a suite", header(11, 1), ErrNewer},
		{"another number", header(12, 2), ErrCorrupt},
		{"another repository", header(16, 1), ErrCorrupt},
		{"another session", header(32, 1), ErrCorrupt},
		{"reserved bytes in its header", header(63, 1), ErrCorrupt},
		{"the zero ID", table(func(tail []byte) { clear(tail[:32]) }), ErrCorrupt},
		{"a stored length of 0", table(func(tail []byte) { clear(tail[second+32 : second+36]) }), ErrCorrupt},
		{"a stored length above the plain one", table(func(tail []byte) { le.PutUint32(tail[second+32:], DefaultGrain+1) }), ErrCorrupt},
		{"a plain length of 0", table(func(tail []byte) { clear(tail[36:40]) }), ErrCorrupt},
		{"a plain length above the grain size", table(func(tail []byte) { le.PutUint32(tail[second+36:], DefaultGrain+1) }), ErrCorrupt},
		{"a raw grain of two lengths", table(func(tail []byte) { le.PutUint32(tail[36:], 21) }), ErrCorrupt},
		{"reserved bytes in an entry", table(func(tail []byte) { tail[43] = 1 }), ErrCorrupt},
		{"reserved bytes in its trailer", table(func(tail []byte) { tail[trailer+4] = 1 }), ErrCorrupt},
		{"another magic in its trailer", table(func(tail []byte) { tail[trailer+8] = 'G' }), ErrCorrupt},
		{"no entries", table(func(tail []byte) { le.PutUint32(tail[trailer:], 0) }), ErrCorrupt},
		{"an entry less", table(func(tail []byte) { le.PutUint32(tail[trailer:], 1) }), ErrCorrupt},
		{"an entry more", table(func(tail []byte) { le.PutUint32(tail[trailer:], 3) }), ErrCorrupt},
		{"more entries than may be", table(func(tail []byte) { le.PutUint32(tail[trailer:], MaxEntries+1) }), ErrCorrupt},
		{"the most entries that a field holds", table(func(tail []byte) { le.PutUint32(tail[trailer:], math.MaxUint32) }), ErrCorrupt},
		{"grains that do not reach the table", table(func(tail []byte) { le.PutUint32(tail[second+32:], 10) }), ErrCorrupt},
		{"grains that reach into the table", table(func(tail []byte) { le.PutUint32(tail[second+32:], 12) }), ErrCorrupt},
		{"another checksum", patched(data, len(data)-1, data[len(data)-1]^1), ErrCorrupt},
		{"a header alone", data[:PackHeaderSize], ErrCorrupt},
		{"nothing", nil, ErrCorrupt},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := parsePack(dataTable.Name, c.pack)
			refused(t, err, c.want)
		})
	}
	t.Run("a node of another length", func(t *testing.T) {
		b := retabled(nodesTable.Name, nodes, 1, func(tail []byte) { le.PutUint32(tail[36:], NodeSize-32) })
		_, err := parsePack(nodesTable.Name, b)
		refused(t, err, ErrCorrupt)
	})
	patches, patchesTable := samplePatchesPack()
	base := EntrySize
	for what, change := range map[string]func(entry []byte){
		"a patch without a base":         func(entry []byte) { clear(entry[base:PatchEntrySize]) },
		"a patch of itself":              func(entry []byte) { copy(entry[base:PatchEntrySize], entry[:32]) },
		"a patch of nothing":             func(entry []byte) { clear(entry[36:40]) },
		"a patch of more than a grain":   func(entry []byte) { le.PutUint32(entry[36:], DefaultGrain+1) },
		"a patch longer than any can be": func(entry []byte) { le.PutUint32(entry[32:], uint32(MaxPatch(DefaultGrain))+1) },
	} {
		t.Run(what, func(t *testing.T) {
			b := bytes.Clone(patches[:len(patches)-32])
			tail := b[len(b)-(TableSize(Patches, 1)-32):]
			change(tail)
			sum := checksum(tableContext, patchesTable.Name.String(), b[:PackHeaderSize], tail)
			_, err := parsePack(patchesTable.Name, append(b, sum[:]...))
			refused(t, err, ErrCorrupt)
		})
	}
	t.Run("the name of another pack", func(t *testing.T) {
		_, err := parsePack(samplePackName(3), data)
		refused(t, err, ErrCorrupt)
		_, err = parsePack(PackName{Number: 1}, data)
		refused(t, err, ErrCorrupt)
	})
	t.Run("another repository's", func(t *testing.T) {
		tail := data[len(data)-TableSize(Data, 2):]
		_, err := ParseTable(dataTable.Name, RepoID{1}, DefaultGrain, int64(len(data)), data[:PackHeaderSize], tail)
		refused(t, err, ErrCorrupt)
	})
	t.Run("grains longer than the repository's", func(t *testing.T) {
		tail := data[len(data)-TableSize(Data, 2):]
		_, err := ParseTable(dataTable.Name, sampleRepo, MinGrain, int64(len(data)), data[:PackHeaderSize], tail)
		refused(t, err, ErrCorrupt)
	})
}

// Unknown encodings are refused with the grain, not with the table: the other
// grains of the pack can be read.
func TestTableKeepsUnknownEncodings(t *testing.T) {
	data, table := sampleDataPack()
	for _, encoding := range []Encoding{2, 3, 255} {
		b := retabled(table.Name, data, 2, func(tail []byte) { tail[EntrySize+40] = byte(encoding) })
		got, err := parsePack(table.Name, b)
		if err != nil || got.Entries[1].Encoding != encoding {
			t.Errorf("encoding %d: %+v, %v", encoding, got, err)
		}
	}
}

// A pack of more than 32 MiB of grains is refused, one of 32 MiB is not.
func TestPackPayloadIsLimited(t *testing.T) {
	name := samplePackName(1)
	for _, entries := range []int{32, 33} {
		header := AppendPackHeader(nil, sampleRepo, name, Data)
		table := PackTable{Name: name, Kind: Data}
		for i := range entries {
			table.Entries = append(table.Entries, Entry{ID: ID{byte(i + 1)}, Stored: MaxGrain, Plain: MaxGrain})
		}
		tail := AppendTable(header, table)[PackHeaderSize:]
		size := int64(PackHeaderSize + entries*MaxGrain + len(tail))
		_, err := ParseTable(name, sampleRepo, MaxGrain, size, header, tail)
		if ok := entries == 32; ok != (err == nil) {
			t.Errorf("%d MiB of grains: %v", entries, err)
		}
	}
}

func TestPackNames(t *testing.T) {
	const session = "packs/0f1e2d3c4b5a69788796a5b4c3d2e1f0/"
	for name, want := range map[string]uint32{session + "00000001": 1, session + "0000001f": 31, session + "ffffffff": math.MaxUint32} {
		if p, err := ParsePackName(name); err != nil || p.Number != want || p.Session != sampleSession || p.String() != name {
			t.Errorf("%s is %+v, %v", name, p, err)
		}
	}
	for _, bad := range []string{
		"", "packs/", session, session + "1", session + "00000000", session + "0000001F", session + "000000001", session + "+0000001",
		session + "0x000001", session + "0000_001", session + "00000001/", session + "00000001\n", "pack/" + session[6:] + "00000001",
		"/" + session + "00000001", "packs//" + session[6:] + "00000001", "packs/0F1E2D3C4B5A69788796A5B4C3D2E1F0/00000001",
		"packs/../packs/00000001", "packs/" + session + "00000001",
	} {
		if p, err := ParsePackName(bad); err == nil {
			t.Errorf("%q is pack %v", bad, p)
		}
	}
}
