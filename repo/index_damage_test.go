package repo_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/index"
	"granary/repo"
	"granary/repo/format"
)

// The index is a cache: whatever happens to it, readers get the right bytes,
// and captures succeed.
func TestIndexDeletedWhileOpen(t *testing.T) {
	dir := smallRepo(t)
	writer, reader := openRepo(t, dir, small()), openRepo(t, dir, &repo.Options{CacheBytes: 1})
	first, second := variant(1), variant(2)
	g1 := mustStore(t, writer, first, nil)
	g2 := mustStore(t, writer, second, g1)
	for range 3 {
		if !bytes.Equal(readAll(t, reader, g1), first) {
			t.Fatal("other bytes")
		}
		if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(readAll(t, reader, g2), second) {
			t.Error("other bytes after the index was deleted")
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	third := variant(3)
	g3 := mustStore(t, writer, third, g2)
	if !bytes.Equal(readAll(t, reader, g3), third) {
		t.Error("other bytes of a capture after the index was deleted")
	}
	if report := mustCheck(t, openRepo(t, dir, nil)); report.DamageCount > 0 {
		t.Errorf("Check finds %v", report.Damage)
	}
}

func TestIndexOfGarbage(t *testing.T) {
	origin := smallRepo(t)
	r := openRepo(t, origin, small())
	first, second := variant(1), variant(2)
	g1 := mustStore(t, r, first, nil)
	g2 := mustStore(t, r, second, g1)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func(file string) error{
		"garbage in each file": func(file string) error {
			return os.WriteFile(file, []byte(strings.Repeat("garbage ", 500)), 0o600)
		},
		"empty files": func(file string) error { return os.Truncate(file, 0) },
		"no tables": func(file string) error {
			if filepath.Ext(file) == ".sst" {
				return os.Remove(file)
			}
			return nil
		},
		"flipped tables": func(file string) error {
			b, err := os.ReadFile(file)
			if err != nil || filepath.Ext(file) != ".sst" {
				return err
			}
			for i := 0; i < len(b); i += 50 {
				b[i] ^= 0xff
			}
			return os.WriteFile(file, b, 0o600)
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := copyOf(t, origin)
			err := filepath.WalkDir(filepath.Join(dir, "index"), func(file string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				return damage(file)
			})
			if err != nil {
				t.Fatal(err)
			}
			reader := openRepo(t, dir, small())
			if !bytes.Equal(readAll(t, reader, g1), first) || !bytes.Equal(readAll(t, reader, g2), second) {
				t.Error("other bytes")
			}
			third := variant(3)
			g3 := mustStore(t, openRepo(t, dir, small()), third, g2)
			if !bytes.Equal(readAll(t, reader, g3), third) {
				t.Error("other bytes of the capture after it")
			}
			if report := mustCheck(t, openRepo(t, dir, nil)); report.DamageCount > 0 {
				t.Errorf("Check finds %v", report.Damage)
			}
		})
	}
}

// tablesOf reads the tables of a generation's packs.
func tablesOf(t *testing.T, dir string, g *repo.Generation, grain int) (tables []format.PackTable) {
	t.Helper()
	for _, p := range g.Packs {
		b := readFile(t, packFile(dir, g, p.Number))
		tail := b[len(b)-format.TableSize(p.Kind, int(p.Entries)):]
		table, err := format.ParseTable(format.PackName{Session: g.Session, Number: p.Number}, format.RepoID(b[16:32]), grain, int64(len(b)), b[:format.PackHeaderSize], tail)
		if err != nil {
			t.Fatal(err)
		}
		tables = append(tables, table)
	}
	return tables
}

// An index that knows each grain, and leads each reader to somewhere else.
func TestIndexThatLeadsAstray(t *testing.T) {
	origin := smallRepo(t)
	r := openRepo(t, origin, small())
	content := variant(1)
	g := mustStore(t, r, content, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	right := tablesOf(t, origin, g, 16*kib)
	for what, mislead := range map[string]func(tables []format.PackTable){
		"to a pack that is not there": func(tables []format.PackTable) {
			for i := range tables {
				tables[i].Name.Session[0] ^= 1
			}
		},
		"to other offsets": func(tables []format.PackTable) {
			for _, table := range tables {
				slices.Reverse(table.Entries)
			}
		},
		"to another pack of the session": func(tables []format.PackTable) {
			for i := range tables {
				tables[i].Name.Number = right[len(right)-1-i].Name.Number
			}
		},
		"to bytes of another length": func(tables []format.PackTable) {
			for _, table := range tables {
				table.Entries[0].Stored++
			}
		},
		"past the end of the pack": func(tables []format.PackTable) {
			for _, table := range tables {
				table.Entries[0].Stored = 1 << 20
			}
		},
		"to the grain, but as another encoding": func(tables []format.PackTable) {
			for _, table := range tables {
				for i := range table.Entries {
					table.Entries[i].Encoding ^= format.Raw ^ format.Zstd
				}
			}
		},
		"to the grain, but of another length": func(tables []format.PackTable) {
			for _, table := range tables {
				for i := range table.Entries {
					table.Entries[i].Plain--
				}
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := copyOf(t, origin)
			if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
				t.Fatal(err)
			}
			x, err := index.Open(filepath.Join(dir, "index"), filepath.Join(dir, "locks"), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			tables := tablesOf(t, origin, g, 16*kib)
			mislead(tables)
			if err := x.Merge(t.Context(), tables); err != nil {
				t.Fatal(err)
			}
			x.Close()
			reader := openRepo(t, dir, nil)
			if !bytes.Equal(readAll(t, reader, g), content) {
				t.Error("other bytes")
			}
			if report := mustCheck(t, reader); report.DamageCount > 0 {
				t.Errorf("Check finds %v", report.Damage)
			}
		})
	}
}
