package format

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
)

// encodeManifest writes down docs/format.md section 8 once more, and refuses
// nothing.
func encodeManifest(m *Manifest) []byte {
	str := func(b []byte, s string) []byte { return append(le.AppendUint16(b, uint16(len(s))), s...) }
	b := append([]byte(nil), m.Session[:]...)
	for _, v := range []int64{m.Frozen, m.Started, m.Finished, m.Downtime, m.ReadBytes, m.NewBytes, m.StoredBytes} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = append(b, byte(m.Consistency), 0, byte(m.Suffix), byte(m.Suffix>>8))
	b = le.AppendUint32(str(b, m.VM), uint32(len(m.Facts)))
	for _, f := range m.Facts {
		b = str(str(b, f.Key), f.Value)
	}
	b = le.AppendUint32(b, uint32(len(m.Files)))
	for _, f := range m.Files {
		b = append(str(str(b, f.Path), f.Source), byte(f.Role), 0, 0, 0)
		b = le.AppendUint32(b, f.Mode)
		for _, v := range []int64{f.Size, f.Allocated, f.ModTime, f.Changed, int64(f.Inode), int64(f.Device), f.Read} {
			b = le.AppendUint64(b, uint64(v))
		}
		b = append(b, f.Root[:]...)
	}
	b = le.AppendUint32(b, uint32(len(m.Packs)))
	for _, p := range m.Packs {
		b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, p.Number), p.Entries), p.Size)
		b = append(b, byte(p.Kind), 0, 0, 0)
	}
	return b
}

func sealManifest(t *testing.T, payload []byte) []byte {
	t.Helper()
	b, err := sealRecord(KindManifest, ManifestName(sampleSession), sampleRepo, payload)
	return marshalled(t, b, err)
}

func TestManifestIsEncodedAsSpecified(t *testing.T) {
	m := sampleManifest()
	got, err := m.Marshal(sampleRepo)
	if want := sealManifest(t, encodeManifest(m)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v, want\n%x", got, err, want)
	}
}

// file is a good file of a manifest.
func file(path string) File { return File{Path: path, Role: RoleOther} }

// What no reader accepts, no writer makes.
func TestManifestRefusals(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(m *Manifest)
	}{
		{"no name of a VM", func(m *Manifest) { m.VM = "" }},
		{"a VM that is the folder above", func(m *Manifest) { m.VM = ".." }},
		{"a VM that is a path", func(m *Manifest) { m.VM = "a/b" }},
		{"consistency 0", func(m *Manifest) { m.Consistency = 0 }},
		{"consistency 6", func(m *Manifest) { m.Consistency = 6 }},
		{"suffix 1", func(m *Manifest) { m.Suffix = 1 }},
		{"a downtime of -2", func(m *Manifest) { m.Downtime = -2 }},
		{"negative bytes read", func(m *Manifest) { m.ReadBytes = -1 }},
		{"negative new bytes", func(m *Manifest) { m.NewBytes = -1 }},
		{"negative stored bytes", func(m *Manifest) { m.StoredBytes = -1 }},
		{"unsorted facts", func(m *Manifest) { m.Facts = []Fact{{"b", ""}, {"a", ""}} }},
		{"a repeated fact", func(m *Manifest) { m.Facts = []Fact{{"a", "1"}, {"a", "2"}} }},
		{"too many facts", func(m *Manifest) {
			for i := range maxFacts + 1 {
				m.Facts = append(m.Facts, Fact{Key: fmt.Sprintf("z%06d", i)})
			}
		}},
		{"unsorted files", func(m *Manifest) { m.Files = []File{file("b"), file("a")} }},
		{"a repeated file", func(m *Manifest) { m.Files = []File{file("a"), file("a")} }},
		{"a file that is a folder too", func(m *Manifest) { m.Files = []File{file("a"), file("a/b")} }},
		{"a file that is a folder too, others between", func(m *Manifest) { m.Files = []File{file("a"), file("a-b"), file("a.b"), file("a/b")} }},
		{"a file that is a folder further down", func(m *Manifest) { m.Files = []File{file("a/b"), file("a/b/c/d")} }},
		{"no path", func(m *Manifest) { m.Files = []File{file("")} }},
		{"a path out of the generation", func(m *Manifest) { m.Files = []File{file("../etc/passwd")} }},
		{"an absolute path", func(m *Manifest) { m.Files = []File{file("/etc/passwd")} }},
		{"a path that turns back", func(m *Manifest) { m.Files = []File{file("a/../b")} }},
		{"a NUL in a path", func(m *Manifest) { m.Files = []File{file("a\x00b")} }},
		{"a negative size", func(m *Manifest) { m.Files[0].Size = -1 }},
		{"a size above 2^56", func(m *Manifest) { m.Files[0].Size = MaxFileSize + 1 }},
		{"the greatest size of all", func(m *Manifest) { m.Files[0].Size = math.MaxInt64 }},
		{"more allocated than there is", func(m *Manifest) { m.Files[0].Allocated = m.Files[0].Size + 1 }},
		{"negative allocated bytes", func(m *Manifest) { m.Files[0].Allocated = -1 }},
		{"a root without allocated bytes", func(m *Manifest) { m.Files[0].Allocated = 0 }},
		{"allocated bytes without a root", func(m *Manifest) { m.Files[0].Root = ID{} }},
		{"role 0", func(m *Manifest) { m.Files[0].Role = 0 }},
		{"role 6", func(m *Manifest) { m.Files[0].Role = 6 }},
		{"unsorted packs", func(m *Manifest) { m.Packs[0], m.Packs[1] = m.Packs[1], m.Packs[0] }},
		{"a repeated pack", func(m *Manifest) { m.Packs[1].Number = m.Packs[0].Number }},
		{"pack 0", func(m *Manifest) { m.Packs[0].Number = 0 }},
		{"a pack of nothing", func(m *Manifest) { m.Packs[0].Entries = 0 }},
		{"a pack of too many", func(m *Manifest) { m.Packs[0] = ManifestPack{1, MaxEntries + 1, MaxPackSize, Data} }},
		{"a pack too small for its table", func(m *Manifest) { m.Packs[0].Size = PackHeaderSize + TrailerSize + 2*EntrySize - 1 }},
		{"a pack too great", func(m *Manifest) { m.Packs[0].Size = MaxPackSize + 1 }},
		{"a pack of kind 0", func(m *Manifest) { m.Packs[0].Kind = 0 }},
		{"a pack of kind 4", func(m *Manifest) { m.Packs[0].Kind = 4 }},
	} {
		t.Run(c.what, func(t *testing.T) {
			m := sampleManifest()
			c.change(m)
			_, err := ParseManifest(sampleSession, sampleRepo, sealManifest(t, encodeManifest(m)))
			refused(t, err, ErrCorrupt)
			if _, err := m.Marshal(sampleRepo); err == nil {
				t.Error("it is encoded all the same")
			}
		})
	}
}

// The bytes that no field of Manifest shows.
func TestManifestPayloadRefusals(t *testing.T) {
	m := sampleManifest()
	good := encodeManifest(m)
	afterVM := 16 + 7*8 + 4 + 2 + len(m.VM)
	firstFile := len(encodeManifest(&Manifest{VM: m.VM, Facts: m.Facts})) - 4
	role := firstFile + 2 + len(m.Files[0].Path) + 2 + len(m.Files[0].Source)
	for _, c := range []struct {
		what    string
		payload []byte
	}{
		{"the ID of another session", patched(good, 0, good[0]^1)},
		{"a reserved byte after the consistency", patched(good, 16+7*8+1, 1)},
		{"a count of facts one too great", patched(good, afterVM, 3)},
		{"a count of facts one too small", patched(good, afterVM, 1)},
		{"a count of files one too great", patched(good, firstFile-4, 3)},
		{"a count of files one too small", patched(good, firstFile-4, 1)},
		{"a path longer than the payload", patched(good, firstFile, 0xff, 0xff)},
		{"reserved bytes after the role", patched(good, role+1, 1)},
		{"reserved bytes after the role, at their end", patched(good, role+3, 1)},
		{"a count of packs one too great", patched(good, len(good)-2*leastPack-4, 3)},
		{"a count of packs one too small", patched(good, len(good)-2*leastPack-4, 1)},
		{"reserved bytes of a pack", patched(good, len(good)-1, 1)},
		{"a byte too many", append(bytes.Clone(good), 0)},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := ParseManifest(sampleSession, sampleRepo, sealManifest(t, c.payload))
			refused(t, err, ErrCorrupt)
		})
	}
	for n := range good {
		if _, err := ParseManifest(sampleSession, sampleRepo, sealManifest(t, good[:n])); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", n, len(good))
		}
	}
}

func TestRevocationIsNoGeneration(t *testing.T) {
	b, err := sealRecord(KindRevocation, ManifestName(sampleSession), sampleRepo, nil)
	if m, err := ParseManifest(sampleSession, sampleRepo, marshalled(t, b, err)); m != nil || err != nil {
		t.Errorf("a revocation is %+v, %v", m, err)
	}
	b, err = sealRecord(KindRevocation, ManifestName(sampleSession), sampleRepo, []byte{0})
	_, err = ParseManifest(sampleSession, sampleRepo, marshalled(t, b, err))
	refused(t, err, ErrCorrupt)
}

func TestVMNames(t *testing.T) {
	for _, good := range []string{"web", "Web Server (old)", "a@b", "täst", "...", ".hidden", " ", "a\\b", "日本", "a:b", strings.Repeat("x", 200)} {
		if err := CheckVMName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "/", "a/b", "../a", "a\x00", "a\nb", "\x1b[31m", "a\x7f", "\u0085", "\u009b1m", "\xff", "a\xc3", strings.Repeat("x", 201)} {
		if err := CheckVMName(bad); err == nil {
			t.Errorf("%q may name a VM", bad)
		}
	}
}

func TestPaths(t *testing.T) {
	longest := strings.TrimSuffix(strings.Repeat(strings.Repeat("x", 255)+"/", 16), "/") // 4,095 bytes
	for _, good := range []string{"a", "a/b", "external/mnt/disk.vmdk", "...", ".a", "a..", "\xff\xfe", "a\nb", "a\\..\\b", longest} {
		if err := CheckPath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/.", "./a", "a/..", "../a", "a/../b", "a\x00b",
		strings.Repeat("x", 256), "a/" + strings.Repeat("x", 256), longest + "/x"} {
		if err := CheckPath(bad); err == nil {
			t.Errorf("%q may be a path", bad)
		}
	}
}

func TestNamesOfGenerations(t *testing.T) {
	for _, c := range []struct {
		frozen int64
		suffix uint16
		want   string
	}{
		{sampleCreated, 0, "2026-11-23T041500Z"},
		{sampleCreated + 999_999_999, 0, "2026-11-23T041500Z"},
		{sampleCreated, 2, "2026-11-23T041500Z-2"},
		{sampleCreated, math.MaxUint16, "2026-11-23T041500Z-65535"},
		{0, 0, "1970-01-01T000000Z"},
		{-1, 0, "1969-12-31T235959Z"},
	} {
		if got := (&Manifest{Frozen: c.frozen, Suffix: c.suffix}).Generation(); got != c.want {
			t.Errorf("%d, %d is %s, want %s", c.frozen, c.suffix, got, c.want)
		}
	}
}

func TestFactsAndConsistencies(t *testing.T) {
	m := sampleManifest()
	if m.Fact("quiesce") != "stop-snapshot" || m.Fact("host") != "" {
		t.Errorf("facts are %q and %q", m.Fact("quiesce"), m.Fact("host"))
	}
	for c, want := range map[Consistency]string{Clean: "clean", Suspended: "suspended", Crash: "crash", Offline: "offline", Application: "application", 0: "consistency 0", 6: "consistency 6", 255: "consistency 255"} {
		if c.String() != want {
			t.Errorf("consistency %d is %q, want %q", uint8(c), c, want)
		}
	}
}
