package format

import "fmt"

const (
	maxFacts = 1024
	maxFiles = 1_000_000
	maxPacks = 16_777_216

	leastFact = 4
	leastFile = 2 + 2 + 4 + 4 + 8*7 + 32
	leastPack = 16
)

// Marshal encodes m as the object ManifestName. It refuses what a reader
// would refuse.
func (m *Manifest) Marshal(repo RepoID) ([]byte, error) {
	name := ManifestName(m.Session)
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(m.Facts) > maxFacts || len(m.Files) > maxFiles || len(m.Packs) > maxPacks {
		return nil, fmt.Errorf("%s: too many facts, files or packs", name)
	}
	b := append([]byte(nil), m.Session[:]...)
	for _, v := range []int64{m.Frozen, m.Started, m.Finished, m.Downtime, m.ReadBytes, m.NewBytes, m.StoredBytes} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = append(b, byte(m.Consistency), 0)
	b = le.AppendUint16(b, m.Suffix)
	b = appendString(b, m.VM)
	b = le.AppendUint32(b, uint32(len(m.Facts)))
	for _, f := range m.Facts {
		b = appendString(appendString(b, f.Key), f.Value)
	}
	b = le.AppendUint32(b, uint32(len(m.Files)))
	for i := range m.Files {
		b = m.Files[i].appendTo(b)
	}
	b = le.AppendUint32(b, uint32(len(m.Packs)))
	for _, p := range m.Packs {
		b = le.AppendUint32(b, p.Number)
		b = le.AppendUint32(b, p.Entries)
		b = le.AppendUint32(b, p.Size)
		b = append(b, byte(p.Kind), 0, 0, 0)
	}
	return sealRecord(KindManifest, name, repo, b)
}

func (f *File) appendTo(b []byte) []byte {
	b = appendString(b, f.Path)
	b = appendString(b, f.Source)
	b = append(b, byte(f.Role), 0, 0, 0)
	b = le.AppendUint32(b, f.Mode)
	for _, v := range []uint64{uint64(f.Size), uint64(f.Allocated), uint64(f.ModTime), uint64(f.Changed), f.Inode, f.Device, uint64(f.Read)} {
		b = le.AppendUint64(b, v)
	}
	return append(b, f.Root[:]...)
}

func (c *cursor) file() File {
	f := File{Path: c.str(), Source: c.str(), Role: Role(c.u8())}
	c.zero(3)
	f.Mode = c.u32()
	f.Size, f.Allocated, f.ModTime, f.Changed = c.i64(), c.i64(), c.i64(), c.i64()
	f.Inode, f.Device, f.Read = c.u64(), c.u64(), c.i64()
	c.fixed(f.Root[:])
	return f
}

// ParseManifest decodes the object ManifestName(session). A revocation is not
// an error: it gives nil.
func ParseManifest(session SessionID, repo RepoID, b []byte) (*Manifest, error) {
	name := ManifestName(session)
	kind, payload, err := openOwnRecord(name, repo, b, KindManifest, KindRevocation)
	if err != nil || kind == KindRevocation && len(payload) == 0 {
		return nil, err
	}
	c := cursor{b: payload}
	m := &Manifest{}
	c.fixed(m.Session[:])
	m.Frozen, m.Started, m.Finished, m.Downtime = c.i64(), c.i64(), c.i64(), c.i64()
	m.ReadBytes, m.NewBytes, m.StoredBytes = c.i64(), c.i64(), c.i64()
	m.Consistency = Consistency(c.u8())
	c.zero(1)
	m.Suffix, m.VM = c.u16(), c.str()
	m.Facts = make([]Fact, c.count("facts", maxFacts, leastFact))
	for i := range m.Facts {
		m.Facts[i] = Fact{Key: c.str(), Value: c.str()}
	}
	m.Files = make([]File, c.count("files", maxFiles, leastFile))
	for i := range m.Files {
		m.Files[i] = c.file()
	}
	m.Packs = make([]ManifestPack, c.count("packs", maxPacks, leastPack))
	for i := range m.Packs {
		m.Packs[i] = ManifestPack{Number: c.u32(), Entries: c.u32(), Size: c.u32(), Kind: PackKind(c.u8())}
		c.zero(3)
	}
	if err := c.end(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if m.Session != session {
		return nil, fmt.Errorf("%s: %w: speaks of another session", name, ErrCorrupt)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrCorrupt, err)
	}
	return m, nil
}
