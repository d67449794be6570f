package index_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"granary/index"
	"granary/repo/format"
)

func each(tables ...format.PackTable) iter.Seq2[format.PackTable, error] {
	return func(yield func(format.PackTable, error) bool) {
		for _, t := range tables {
			if !yield(t, nil) {
				return
			}
		}
	}
}

// spread is a pack of n grains whose IDs are all over, as those of hashes are.
func spread(session byte, number uint32, n int) format.PackTable {
	t := table(session, number, 0, n)
	for i := range t.Entries {
		id := &t.Entries[i].ID
		*id = format.NewHasher().ID(format.Data, append(id[:], session, byte(number)))
	}
	return t
}

func idsOf(t format.PackTable) (ids []format.ID) {
	for _, e := range t.Entries {
		ids = append(ids, e.ID)
	}
	return ids
}

// What is built is what would have been merged, and can be merged into.
func TestBuildIsAllMergesAtOnce(t *testing.T) {
	for name, expected := range map[string]int{"in one part": 0, "in many parts": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			x := open(t, t.TempDir())
			if err := x.Merge(t.Context(), []format.PackTable{table(9, 1, 7, 1)}); err != nil {
				t.Fatal(err)
			}
			var tables []format.PackTable
			for i := range 40 {
				tables = append(tables, spread(1, uint32(i+1), 500))
			}
			if err := x.Build(t.Context(), expected, each(tables...)); err != nil {
				t.Fatal(err)
			}
			later := spread(2, 1, 300)
			if err := x.Merge(t.Context(), append(tables[:1:1], later)); err != nil {
				t.Fatal(err)
			}
			for _, want := range append(tables, later) {
				if got := find(t, x, idsOf(want)...); !slices.Equal(got, index.Places(want)) {
					t.Fatalf("places of %v are not those of its table", want.Name)
				}
			}
			if got := find(t, x, grain(7))[0]; !got.IsZero() {
				t.Errorf("what was there before the build still is: %+v", got)
			}
		})
	}
}

// Of two places of one grain a whole one wins over a patch, however they come.
func TestBuildPrefersWholeGrains(t *testing.T) {
	whole := table(1, 1, 0, 3)
	patches := table(2, 1, 0, 3)
	patches.Kind = format.Patches
	for i := range patches.Entries {
		patches.Entries[i].Base = grain(100)
	}
	for name, tables := range map[string][]format.PackTable{"whole first": {whole, patches}, "patches first": {patches, whole}} {
		t.Run(name, func(t *testing.T) {
			x := open(t, t.TempDir())
			if err := x.Build(t.Context(), 6, each(tables...)); err != nil {
				t.Fatal(err)
			}
			if got := find(t, x, idsOf(whole)...); !slices.Equal(got, index.Places(whole)) {
				t.Errorf("places are %+v", got)
			}
		})
	}
}

// A build that ends early leaves an index that is empty, not one that knows
// packs without their grains.
func TestBuildEndsWithTheFirstError(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	unreadable := errors.New("unreadable")
	cases := map[string]struct {
		ctx  context.Context
		last error
		want error
	}{
		"of a table":      {t.Context(), unreadable, unreadable},
		"of the context":  {canceled, nil, context.Canceled},
		"of neither: all": {t.Context(), nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir)
			a := table(1, 1, 0, 3)
			err := x.Build(c.ctx, 3, func(yield func(format.PackTable, error) bool) {
				if yield(a, nil) && c.last != nil {
					yield(format.PackTable{}, c.last)
				}
			})
			if !errors.Is(err, c.want) {
				t.Fatalf("err = %v, want %v", err, c.want)
			}
			if got := !find(t, x, grain(1))[0].IsZero(); got != (c.want == nil) {
				t.Errorf("grain found: %t", got)
			}
			left, err := filepath.Glob(filepath.Join(dir, "index", "spool-*"))
			if err != nil || len(left) > 0 {
				t.Errorf("the build left %v (%v)", left, err)
			}
		})
	}
}

// What a crash left of a build goes with the next one.
func TestBuildClearsWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "index", "spool-1"), []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := table(1, 1, 0, 3)
	if err := x.Build(t.Context(), 3, each(a)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index", "spool-1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a crash left is still there (%v)", err)
	}
	if got := find(t, x, idsOf(a)...); !slices.Equal(got, index.Places(a)) {
		t.Errorf("places are %+v", got)
	}
}

// Asked of many packs, Has answers as when asked of one.
func TestKnowsWhichOfManyPacksItHas(t *testing.T) {
	x := open(t, t.TempDir())
	var tables []format.PackTable
	for i := range 1500 {
		tables = append(tables, table(1, uint32(i+1), uint64(i), 1))
	}
	if err := x.Build(t.Context(), len(tables), each(tables...)); err != nil {
		t.Fatal(err)
	}
	err := x.View(t.Context(), func(v *index.View) error {
		for i := range uint32(3000) {
			name := format.PackName{Session: tables[0].Name.Session, Number: i + 1}
			got, err := v.Has(name)
			if err != nil {
				return err
			}
			if got != (i < 1500) {
				t.Fatalf("Has(%v) = %t", name, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Merges are short, so that Badger has no time of its own to tidy up.
func TestManyMergesDoNotPileUp(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	for i := range uint32(30) {
		if err := x.Merge(t.Context(), []format.PackTable{spread(1, i+1, 200)}); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "index", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) > 10 {
		t.Errorf("30 merges left %d tables", len(tables))
	}
}
