package repo_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"granary/repo"
	"granary/repo/storage"
)

// A reader that lives for weeks finds grains again whenever their packs have
// moved, though its index is its own and led elsewhere.
func TestPacksMoveAgainAndAgain(t *testing.T) {
	_, dir := newRepo(t, nil)
	apart := func() *repo.Repo {
		r, err := repo.OpenStorage(t.Context(), storage.OpenLocal(dir), t.TempDir(), &repo.Options{CacheBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	reader, content := apart(), sample(1, 20*mib)
	for round := range 3 {
		g := mustStore(t, apart(), content, nil)
		f, err := reader.OpenFile(g, "disk.vmdk")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("round %d: %v", round, err)
		}
		for _, folder := range []string{"generations", "packs"} {
			if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
}
