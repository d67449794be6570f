package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// mib is a mebibyte.
const mib = 1 << 20

// sample gives n bytes that compress about two to one, other for each seed.
func sample(seed uint64, n int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	b := make([]byte, n)
	for at := 0; at < n; at += 256 {
		_, _ = source.Read(b[at:min(at+128, n)])
	}
	return b
}

// sparse is content with holes, as a disk's file offers it.
type sparse struct {
	size   int64
	ranges map[int64][]byte // offset -> data
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, data := range s.ranges {
		if lo, hi := max(off, at), min(off+int64(len(p)), at+int64(len(data))); lo < hi {
			copy(p[lo-off:hi-off], data[lo-at:hi-at])
		}
	}
	if off+int64(len(p)) > s.size {
		return int(s.size - off), io.EOF
	}
	return len(p), nil
}

func (s *sparse) NextData(off int64) (start, end int64, err error) {
	start = s.size
	for at, data := range s.ranges {
		if at+int64(len(data)) > off && max(at, off) < start {
			start, end = max(at, off), at+int64(len(data))
		}
	}
	if start >= s.size {
		return 0, 0, io.EOF
	}
	return start, end, nil
}

func newRepo(t *testing.T, options *repo.Options) (*repo.Repo, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	if err := repo.Init(t.Context(), dir, 0); err != nil {
		t.Fatal(err)
	}
	return openRepo(t, dir, options), dir
}

func openRepo(t *testing.T, dir string, options *repo.Options) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// store commits a generation of VM "web" with one file.
func store(ctx context.Context, r *repo.Repo, content io.ReaderAt, size int64, parent *repo.Generation) (*repo.Generation, error) {
	w, err := r.NewWriter(ctx, "test", "test")
	if err != nil {
		return nil, err
	}
	in := repo.Input{File: format.File{Path: "disk.vmdk", Source: "/vm/disk.vmdk", Role: format.RoleDisk, Size: size}, Content: content}
	if parent != nil {
		in.Parent = &repo.ParentFile{Generation: parent, File: parent.File("disk.vmdk")}
	}
	f, err := w.Add(ctx, in)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	g, err := w.Commit(ctx, &format.Manifest{VM: "web", Frozen: time.Now().UnixNano(), Consistency: format.Offline, Files: []format.File{f}})
	return g, errors.Join(err, w.Close())
}

func mustStore(t *testing.T, r *repo.Repo, content []byte, parent *repo.Generation) *repo.Generation {
	t.Helper()
	g, err := store(t.Context(), r, bytes.NewReader(content), int64(len(content)), parent)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func readAll(t *testing.T, r *repo.Repo, g *repo.Generation) []byte {
	t.Helper()
	f, err := r.OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsBackWhatWasStored(t *testing.T) {
	// Grains of 16 KiB: a leaf covers 4 MiB.
	for _, size := range []int{0, 1, 16383, 16384, 16385, 4 * mib, 4*mib + 1, 9*mib + 12345} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			dir := smallRepo(t)
			r := openRepo(t, dir, nil)
			want := sample(uint64(size), size)
			clear(want[size/3 : size/2]) // a run of zeros
			g := mustStore(t, r, want, nil)
			if !bytes.Equal(readAll(t, r, g), want) {
				t.Error("the same process reads other bytes")
			}
			other := openRepo(t, dir, nil)
			list, err := other.Generations(t.Context())
			if err != nil || len(list.Generations) != 1 || len(list.Damaged) > 0 {
				t.Fatalf("Generations = %+v, %v", list, err)
			}
			if !bytes.Equal(readAll(t, other, list.Generations[0]), want) {
				t.Error("another opener reads other bytes")
			}
			checkSound(t, other)
		})
	}
}

func checkSound(t *testing.T, r *repo.Repo) {
	t.Helper()
	report, err := r.Check(t.Context(), repo.CheckOptions{ReadData: true})
	if err != nil || report.DamageCount > 0 || report.IndexRebuilt {
		t.Errorf("Check = %+v, %v", report, err)
	}
}

// A generation costs what changed.
func TestUnchangedStoresNothing(t *testing.T) {
	r, dir := newRepo(t, nil)
	content := sample(1, 20*mib)
	first := mustStore(t, r, content, nil)
	for name, parent := range map[string]*repo.Generation{"guided by its parent": first, "by the index alone": nil} {
		if g := mustStore(t, r, content, parent); g.StoredBytes != 0 || g.NewBytes != 0 {
			t.Errorf("%s: stored %d bytes for nothing new", name, g.StoredBytes)
		}
	}
	changed := bytes.Clone(content)
	changed[10*mib] ^= 1
	if g := mustStore(t, openRepo(t, dir, nil), changed, first); g.NewBytes != 65536+format.NodeSize*2 {
		t.Errorf("a changed byte costs %d bytes, want a grain and two nodes", g.NewBytes)
	}
}

// A 2 TiB disk with little data costs what its data costs.
func TestHugeSparseFile(t *testing.T) {
	r, _ := newRepo(t, nil)
	const size = 2<<40 + 512
	disk := &sparse{size: size, ranges: map[int64][]byte{
		0: sample(1, 100_000), 1<<40 - 70_000: sample(2, 200_000), size - 512: sample(3, 512),
	}}
	began := time.Now()
	g, err := store(t.Context(), r, disk, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("stored %d bytes, read %d, in %v", g.StoredBytes, g.ReadBytes, time.Since(began))
	if g.ReadBytes > 5*mib || g.StoredBytes > mib {
		t.Errorf("read %d bytes and stored %d for 300,000 bytes of data", g.ReadBytes, g.StoredBytes)
	}
	f, err := r.OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	for at, data := range disk.ranges {
		p := make([]byte, len(data))
		if n, err := f.ReadAt(p, at); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, data) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
	var starts []int64
	for off := int64(0); ; {
		start, end, err := f.NextData(off)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		starts, off = append(starts, start), end
	}
	if want := []int64{0, 1<<40 - 131072, 2 << 40}; fmt.Sprint(starts) != fmt.Sprint(want) {
		t.Errorf("data begins at %v, want %v", starts, want)
	}
	checkSound(t, r)
}

func TestInitRefusesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "precious"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := repo.Init(t.Context(), dir, 0); !errors.Is(err, repo.ErrNotEmpty) {
		t.Errorf("Init in a full folder = %v", err)
	}
	_, repoDir := newRepo(t, nil)
	if err := repo.Init(t.Context(), repoDir, 0); !errors.Is(err, repo.ErrNotEmpty) {
		t.Errorf("Init over a repository = %v", err)
	}
	for _, grain := range []int{1, 8192, 65535, 2 * mib} {
		if err := repo.Init(t.Context(), filepath.Join(dir, "new"), grain); err == nil {
			t.Errorf("Init with grains of %d bytes succeeded", grain)
		}
	}
}

func TestOpenRefusesWhatIsNone(t *testing.T) {
	if _, err := repo.Open(t.Context(), filepath.Join(t.TempDir(), "missing"), nil); !errors.Is(err, repo.ErrNoRepository) {
		t.Errorf("missing: %v", err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "config"), []byte("[core]\n\tbare = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Open(t.Context(), foreign, nil); !errors.Is(err, repo.ErrNoRepository) {
		t.Errorf("foreign: %v", err)
	}
	_, dir := newRepo(t, nil)
	config := filepath.Join(dir, "config")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(b)
	newer[10] = 2
	if err := os.WriteFile(config, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Open(t.Context(), dir, nil); !errors.Is(err, format.ErrNewer) {
		t.Errorf("newer: %v", err)
	}
	b[20] ^= 1
	if err := os.WriteFile(config, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Open(t.Context(), dir, nil); !errors.Is(err, format.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
}

// Small bounds make many packs and many merges.
func TestManyPacksAndMerges(t *testing.T) {
	r, dir := newRepo(t, &repo.Options{PackBytes: 256 << 10, MergeGrains: 64, CacheBytes: mib})
	content := sample(9, 24*mib)
	g := mustStore(t, r, content, nil)
	if len(g.Packs) < 20 {
		t.Errorf("only %d packs", len(g.Packs))
	}
	if !bytes.Equal(readAll(t, r, g), content) {
		t.Error("reads other bytes")
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	other := openRepo(t, dir, nil)
	if !bytes.Equal(readAll(t, other, g), content) {
		t.Error("reads other bytes without its index")
	}
	if again := mustStore(t, other, content, nil); again.StoredBytes != 0 {
		t.Errorf("stored %d bytes again after the index was deleted", again.StoredBytes)
	}
}
