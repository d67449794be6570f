package format

import (
	"encoding/hex"
	"testing"
)

// The values below are those of docs/format.md section 13.
var (
	sampleRepo    = RepoID(unhex("00112233445566778899aabbccddeeff"))
	sampleSession = SessionID(unhex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"))
	sampleLater   = SessionID(unhex("1e2d3c4b5a69788796a5b4c3d2e1f00f"))
)

const sampleCreated = 1795407300_000000000 // 2026-11-23T04:15:00Z

func unhex(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err) // the texts are constants
	}
	return b
}

func sampleConfig() Config {
	return Config{Repo: sampleRepo, Grain: DefaultGrain, Created: sampleCreated}
}

func sampleSessionRecord() Session {
	return Session{ID: sampleSession, Started: sampleCreated + 60e9, PID: 4711, Host: "esx1", Program: "granary 1.0", Purpose: "capture web"}
}

func sampleForget() Forget {
	return Forget{Session: sampleSession, Time: sampleCreated + 3600e9, Reason: "keep daily 7"}
}

// sampleGrains are what the pack of data holds: web.vmx as it is, and a grain
// of the letter g.
var sampleGrains = []storedGrain{
	{plain: []byte("displayName = \"web\"\n"), encoding: Raw, stored: []byte("displayName = \"web\"\n")},
	{plain: repeat('g', DefaultGrain), encoding: Zstd, stored: unhex("28b52ffd6000ff" + "030008" + "67")},
}

// sampleNode has a hole and then the grain of the letter g.
func sampleNode() *Node {
	return &Node{1: NewHasher().ID(Data, sampleGrains[1].plain)}
}

// sampleNodeFrame is the zstd frame of sampleNode: a run of 32 zeros, the 32
// bytes of the ID, a run of 8,128 zeros.
func sampleNodeFrame() []byte {
	id := sampleNode()[1]
	frame := append(unhex("28b52ffd60001f"+"020100"+"00"+"000100"), id[:]...)
	return append(frame, unhex("03fe00"+"00")...)
}

func repeat(b byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}

// storedGrain is a grain and its form in a pack.
type storedGrain struct {
	plain    []byte
	encoding Encoding
	stored   []byte
	base     ID // of a patch
}

func samplePackName(number uint32) PackName {
	return PackName{Session: sampleSession, Number: number}
}

// pack builds a pack of grains.
func pack(name PackName, kind PackKind, grains ...storedGrain) ([]byte, PackTable) {
	b := AppendPackHeader(nil, sampleRepo, name, kind)
	t := PackTable{Name: name, Kind: kind}
	hasher := NewHasher()
	for _, g := range grains {
		b = append(b, g.stored...)
		t.Entries = append(t.Entries, Entry{ID: hasher.ID(kind, g.plain), Stored: uint32(len(g.stored)), Plain: uint32(len(g.plain)), Encoding: g.encoding, Base: g.base})
	}
	return AppendTable(b, t), t
}

func sampleDataPack() ([]byte, PackTable) {
	return pack(samplePackName(1), Data, sampleGrains...)
}

func sampleNodesPack() ([]byte, PackTable) {
	return pack(samplePackName(2), Nodes, storedGrain{plain: sampleNode().AppendTo(nil), encoding: Zstd, stored: sampleNodeFrame()})
}

// samplePatched is the grain of the letter g with its last sector, of 128, all h.
func samplePatched() []byte {
	return append(repeat('g', DefaultGrain-SectorSize), repeat('h', SectorSize)...)
}

// samplePatchFrame is the zstd frame of the patch that makes samplePatched: 16
// bytes of map as they are, and a run of 512 letters h.
func samplePatchFrame() []byte {
	return unhex("28b52ffd601001" + "800000" + "00000000000000000000000000000080" + "031000" + "68")
}

// samplePatchesPack is what a later capture may store, which finds the last
// sector of the disk changed.
func samplePatchesPack() ([]byte, PackTable) {
	return pack(PackName{Session: sampleLater, Number: 1}, Patches,
		storedGrain{plain: samplePatched(), encoding: Zstd, stored: samplePatchFrame(), base: sampleNode()[1]})
}

func sampleManifest() *Manifest {
	data, dataTable := sampleDataPack()
	nodes, nodesTable := sampleNodesPack()
	frozen := int64(sampleCreated + 61e9)
	return &Manifest{
		Session: sampleSession, Frozen: frozen, Started: frozen - 1e9, Finished: frozen + 3e9, Downtime: 25e8,
		ReadBytes: 131092, NewBytes: 20 + 65536 + 8192, StoredBytes: int64(len(data) + len(nodes)),
		Consistency: Clean, VM: "web",
		Facts: []Fact{{"driver", "vmrun"}, {"quiesce", "stop-snapshot"}},
		Files: []File{
			{Path: "web-flat.vmdk", Source: "/vm/web/web-flat.vmdk", Role: RoleDisk, Mode: 0o600, Size: 131072, Allocated: 65536,
				ModTime: frozen - 2e9, Changed: frozen - 2e9, Inode: 12, Device: 2049, Read: frozen + 1e9, Root: nodesTable.Entries[0].ID},
			{Path: "web.vmx", Source: "/vm/web/web.vmx", Role: RoleConfig, Mode: 0o644, Size: 20, Allocated: 20,
				ModTime: frozen - 3600e9, Changed: frozen - 3600e9, Inode: 13, Device: 2049, Read: frozen, Root: dataTable.Entries[0].ID},
		},
		Packs: []ManifestPack{
			{Number: 1, Entries: 2, Size: uint32(len(data)), Kind: Data},
			{Number: 2, Entries: 1, Size: uint32(len(nodes)), Kind: Nodes},
		},
	}
}

// parsePack reads a whole pack as a reader does that knows nothing of it.
func parsePack(name PackName, b []byte) (PackTable, error) {
	trailer := b[max(0, len(b)-TrailerSize):]
	entries, err := ParseTrailer(trailer)
	if err != nil {
		return PackTable{}, err
	}
	tail := b[max(0, len(b)-TableSize(HeaderKind(b), entries)):]
	return ParseTable(name, sampleRepo, DefaultGrain, int64(len(b)), b[:min(PackHeaderSize, len(b))], tail)
}

// object is an encoded object, with the decoder that has to refuse what is
// not it, and give back the same bytes otherwise.
type object struct {
	name    string
	bytes   []byte
	reparse func(b []byte) ([]byte, error)
}

func marshalled(t *testing.T, b []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reparseConfig(b []byte) ([]byte, error) {
	c, err := ParseConfig(b)
	if err != nil {
		return nil, err
	}
	return c.Marshal()
}

func reparseSession(b []byte) ([]byte, error) {
	s, err := ParseSession(sampleSession, sampleRepo, b)
	if err != nil {
		return nil, err
	}
	return s.Marshal(sampleRepo)
}

func reparseForget(b []byte) ([]byte, error) {
	f, err := ParseForget(sampleSession, sampleRepo, b)
	if err != nil {
		return nil, err
	}
	return f.Marshal(sampleRepo)
}

func reparseManifest(b []byte) ([]byte, error) {
	m, err := ParseManifest(sampleSession, sampleRepo, b)
	if err != nil {
		return nil, err
	}
	if m == nil { // revoked
		return sealRecord(KindRevocation, ManifestName(sampleSession), sampleRepo, nil)
	}
	return m.Marshal(sampleRepo)
}

// reparsePack returns a pack with its table encoded again.
func reparsePack(name PackName) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		t, err := parsePack(name, b)
		if err != nil {
			return nil, err
		}
		grains := b[PackHeaderSize : len(b)-TableSize(t.Kind, len(t.Entries))]
		return AppendTable(append(AppendPackHeader(nil, sampleRepo, name, t.Kind), grains...), t), nil
	}
}

// records are an object of each kind of record.
func records(t *testing.T) []object {
	t.Helper()
	config, err := sampleConfig().Marshal()
	config = marshalled(t, config, err)
	session, err := sampleSessionRecord().Marshal(sampleRepo)
	session = marshalled(t, session, err)
	manifest, err := sampleManifest().Marshal(sampleRepo)
	manifest = marshalled(t, manifest, err)
	revocation, err := sealRecord(KindRevocation, ManifestName(sampleSession), sampleRepo, nil)
	revocation = marshalled(t, revocation, err)
	forget, err := sampleForget().Marshal(sampleRepo)
	forget = marshalled(t, forget, err)
	return []object{
		{"config", config, reparseConfig},
		{"session", session, reparseSession},
		{"manifest", manifest, reparseManifest},
		{"revocation", revocation, reparseManifest},
		{"forget record", forget, reparseForget},
	}
}

// packs are a pack of each kind.
func packs() []object {
	data, dataTable := sampleDataPack()
	nodes, nodesTable := sampleNodesPack()
	patches, patchesTable := samplePatchesPack()
	return []object{
		{"pack of data", data, reparsePack(dataTable.Name)},
		{"pack of nodes", nodes, reparsePack(nodesTable.Name)},
		{"pack of patches", patches, reparsePack(patchesTable.Name)},
	}
}
