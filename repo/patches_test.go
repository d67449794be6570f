package repo_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"granary/index"
	"granary/repo"
	"granary/repo/format"
)

// noise gives n bytes that do not compress.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 2}).Read(b)
	return b
}

// writePages writes n pages of 8 KiB to places of b, as a database does.
func writePages(random *rand.Rand, b []byte, n int) {
	const page = 8192
	for _, at := range random.Perm(len(b) / page)[:n] {
		copy(b[at*page:], noise(random.Uint64(), page))
	}
}

// Night after night a few pages change: what is stored is little more than
// these, and each night reads back.
func TestChangedPagesCostWhatTheyAre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	if err := repo.Init(t.Context(), dir, 0); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(4, 2))
	const pages = 60
	content := noise(1, 24*mib+777)
	var nights [][]byte
	var stored []*repo.Generation
	for night := range 5 {
		r := openRepo(t, dir, nil)
		var parent *repo.Generation
		if night > 0 {
			content = bytes.Clone(content)
			writePages(random, content, pages)
			parent = stored[night-1]
		}
		g := mustStore(t, r, content, parent)
		if most := int64(2 * night * pages * 8192 * 5 / 4); night > 0 && g.StoredBytes > most {
			// What was patched before is patched further, from the same base.
			t.Errorf("night %d stores %d bytes, more than %d", night, g.StoredBytes, most)
		}
		nights, stored = append(nights, content), append(stored, g)
	}
	oneLevelDeep(t, dir, stored)
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	r := openRepo(t, dir, nil)
	for night, g := range stored {
		if !bytes.Equal(readAll(t, r, g), nights[night]) {
			t.Errorf("night %d reads back other bytes", night)
		}
	}
	if report := mustCheck(t, r); report.DamageCount != 0 {
		t.Errorf("check finds %v", report.Damage)
	}
}

// oneLevelDeep fails where a patch's base lies whole in no pack of its session
// or an earlier one.
func oneLevelDeep(t *testing.T, dir string, all []*repo.Generation) {
	t.Helper()
	whole, patches := map[format.ID]bool{}, 0
	for _, g := range all {
		tables := tablesOf(t, dir, g, format.DefaultGrain)
		for _, table := range tables {
			for _, e := range table.Entries {
				if table.Kind == format.Data {
					whole[e.ID] = true
				}
			}
		}
		for _, table := range tables {
			for _, e := range table.Entries {
				if table.Kind != format.Patches {
					continue
				}
				patches++
				if !whole[e.Base] {
					t.Errorf("%s: grain %s is a patch of %s, which lies whole in no pack", table.Name, e.ID, e.Base)
				}
			}
		}
	}
	if patches == 0 {
		t.Error("nothing was stored as a patch")
	}
}

// Where more than half of a grain has changed, or its length, it is stored whole.
func TestWhatIsNoPatch(t *testing.T) {
	old := noise(1, 3*format.DefaultGrain+1000)
	half := bytes.Clone(old)
	copy(half, noise(2, format.DefaultGrain/2+1))
	longer := append(bytes.Clone(old), 1)
	hole := bytes.Clone(old)
	clear(hole[:format.DefaultGrain])
	for what, c := range map[string]struct{ before, after []byte }{
		"more than half of a grain":    {old, half},
		"a last grain that has grown":  {old, longer},
		"data where a hole was":        {hole, old},
		"a grain in a file that grows": {old[:2*format.DefaultGrain], old},
	} {
		t.Run(what, func(t *testing.T) {
			r, dir := newRepo(t, nil)
			g := mustStore(t, r, c.after, mustStore(t, r, c.before, nil))
			for _, table := range tablesOf(t, dir, g, format.DefaultGrain) {
				if table.Kind == format.Patches {
					t.Errorf("%d patches", len(table.Entries))
				}
			}
			if !bytes.Equal(readAll(t, r, g), c.after) {
				t.Error("it reads back other bytes")
			}
		})
	}
}

// patchedRepo has a generation of 4 grains, and one that patches the second.
func patchedRepo(t *testing.T) (dir string, before, after *repo.Generation, content []byte) {
	t.Helper()
	r, dir := newRepo(t, nil)
	old := noise(1, 4*format.DefaultGrain)
	content = bytes.Clone(old)
	content[format.DefaultGrain+5000]++
	before = mustStore(t, r, old, nil)
	after = mustStore(t, r, content, before)
	return dir, before, after, content
}

// Damage of a base is damage of what was patched, too, and of nothing else; it is
// the base that is named.
func TestDamagedBase(t *testing.T) {
	dir, before, after, content := patchedRepo(t)
	data := packOf(t, before, format.Data)
	file := packFile(dir, before, data.Number)
	base := tablesOf(t, dir, after, format.DefaultGrain)
	b := readFile(t, file)
	b[format.PackHeaderSize+format.DefaultGrain+77] ^= 1
	writeFile(t, file, b)

	r := openRepo(t, dir, nil)
	f, err := r.OpenFile(after, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, format.DefaultGrain)
	for i := range int64(4) {
		_, err := f.ReadAt(p, i*format.DefaultGrain)
		if i != 1 {
			if err != nil || !bytes.Equal(p, content[i*format.DefaultGrain:(i+1)*format.DefaultGrain]) {
				t.Errorf("grain %d: %v", i, err)
			}
			continue
		}
		var damage *repo.DamageError
		if !errors.As(err, &damage) || damage.Object != packName(before, data.Number) || damage.Generation != after.String() || damage.Offset != format.DefaultGrain {
			t.Errorf("the patched grain: %v", err)
		} else if patched := base[0].Entries[0]; patched.Base != damage.Grain {
			t.Errorf("grain %s is damaged, not %s", patched.Base, damage.Grain)
		}
	}
	report := mustCheck(t, r)
	for _, g := range []*repo.Generation{before, after} {
		if !names(report.Damage, repo.DamageError{Object: packName(before, data.Number), Generation: g.String(), File: "disk.vmdk", Offset: format.DefaultGrain}) {
			t.Errorf("check does not name %s: %v", g, report.Damage)
		}
	}
}

// A patch whose base's pack is gone is no place to count on.
func TestPatchOfAMissingPackIsNotCountedOn(t *testing.T) {
	dir, before, _, content := patchedRepo(t)
	if err := os.Remove(packFile(dir, before, packOf(t, before, format.Data).Number)); err != nil {
		t.Fatal(err)
	}
	r := openRepo(t, dir, nil)
	g := mustStore(t, r, content, nil)
	if !bytes.Equal(readAll(t, r, g), content) {
		t.Error("it reads back other bytes")
	}
	readable(t, openRepo(t, dir, nil), g)
}

// A copy that is stored whole is found whatever patches are merged, and in
// whatever order.
func TestWholeGrainsAreFoundBeforePatches(t *testing.T) {
	dir, before, after, _ := patchedRepo(t)
	patches := tablesOf(t, dir, after, format.DefaultGrain)
	id := patches[0].Entries[0].ID
	whole := tablesOf(t, dir, before, format.DefaultGrain)[:1]
	whole[0].Name.Number = 9
	whole[0].Entries[3].ID = id
	for _, order := range [][][]format.PackTable{{whole, patches}, {patches, whole}, {append(whole[:1:1], patches...)}} {
		x, err := index.Open(filepath.Join(t.TempDir(), "index"), t.TempDir(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, tables := range order {
			if err := x.Merge(t.Context(), tables); err != nil {
				t.Fatal(err)
			}
		}
		places := make([]index.Place, 1)
		if err := x.View(t.Context(), func(v *index.View) error { return v.Find([]format.ID{id}, places) }); err != nil {
			t.Fatal(err)
		}
		if places[0].IsPatch() || places[0].Pack.Number != 9 {
			t.Errorf("found at %+v", places[0])
		}
		x.Close()
	}
}
