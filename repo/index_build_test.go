package repo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"granary/repo"
)

// An index that has nothing is built of all packs at once. One whose table
// cannot be read keeps no other out.
func TestIndexOfManyPacksIsBuiltAnew(t *testing.T) {
	r, dir := newRepo(t, &repo.Options{PackBytes: 1})
	content := sample(1, 100<<16)
	g := mustStore(t, r, content, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*", "*"))
	if err != nil || len(packs) < 100 {
		t.Fatalf("%d packs (%v)", len(packs), err)
	}
	for _, c := range []struct {
		name string
		do   func() error
		want int
	}{
		{"all can be read", func() error { return nil }, len(packs)},
		{"one is cut short", func() error { return os.Truncate(packs[0], 100) }, len(packs) - 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(); err != nil {
				t.Fatal(err)
			}
			r := openRepo(t, dir, nil)
			if got, err := r.RebuildIndex(t.Context()); err != nil || got != c.want {
				t.Fatalf("RebuildIndex = %d, %v; want %d", got, err, c.want)
			}
			if c.want == len(packs) && !bytes.Equal(readAll(t, r, g), content) {
				t.Error("other bytes")
			}
			if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
				t.Fatal(err)
			}
			f, err := openRepo(t, dir, nil).OpenFile(g, g.Files[0].Path)
			if err != nil {
				t.Fatal(err)
			}
			last := make([]byte, 1<<16)
			if _, err := f.ReadAt(last, int64(len(content)-len(last))); err != nil || !bytes.Equal(last, content[len(content)-len(last):]) {
				t.Errorf("the last grain cannot be read from an index made anew (%v)", err)
			}
		})
	}
}
