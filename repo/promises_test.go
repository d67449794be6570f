package repo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/index"
	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
	"granary/repo/storage/storagetest"
)

func in(path string, b []byte) repo.Input {
	return repo.Input{File: format.File{Path: path, Role: format.RoleDisk, Size: int64(len(b))}, Content: bytes.NewReader(b)}
}

func offline(files ...format.File) *format.Manifest {
	return &format.Manifest{VM: "web", Frozen: time.Now().UnixNano(), Consistency: format.Offline, Files: files}
}

func writer(t *testing.T, r *repo.Repo) *repo.Writer {
	t.Helper()
	w, err := r.NewWriter(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func add(t *testing.T, w *repo.Writer, b []byte) format.File {
	t.Helper()
	f, err := w.Add(t.Context(), in("disk.vmdk", b))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readable(t *testing.T, r *repo.Repo, g *repo.Generation) {
	t.Helper()
	f, err := r.OpenFile(g, "disk.vmdk")
	if err == nil {
		_, err = io.Copy(io.Discard, io.NewSectionReader(f, 0, f.Size()))
	}
	if err != nil {
		t.Errorf("%s: %v", g, err)
	}
}

// A session whose Add failed commits nothing that was not stored.
func TestCommitAfterAFailedAddIsWhole(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	w := writer(t, r)
	content := sample(1, mib)
	short := in("a.log", content)
	short.Size = 40 * mib
	if _, err := w.Add(t.Context(), short); !errors.Is(err, repo.ErrChanged) {
		t.Fatal(err)
	}
	f, err := w.Add(t.Context(), in("disk.vmdk", content))
	if err != nil {
		return // dead for good: fine
	}
	if g, err := w.Commit(t.Context(), offline(f)); err == nil {
		readable(t, r, g)
	}
}

// What a session lent to the index before it died hides no committed grain.
func TestPackOfADeadSessionShadowsACommittedOne(t *testing.T) {
	_, dir := newRepo(t, nil)
	mount, o := openRepo(t, dir, nil), &repo.Options{PackBytes: 64 * kib, MergeGrains: 1}
	for round := range uint64(2) {
		content := sample(round, 2*mib)
		a, b := writer(t, openRepo(t, dir, o)), writer(t, openRepo(t, dir, o))
		fa := add(t, a, content)
		add(t, b, content) // its places replace a's in the index
		g, err := a.Commit(t.Context(), offline(fa))
		if err := errors.Join(err, a.Close(), b.Close()); err != nil { // b fails, and removes its packs
			t.Fatal(err)
		}
		if report := mustCheck(t, openRepo(t, dir, nil)); report.DamageCount > 0 {
			t.Errorf("round %d: Check: %d times as %v", round, report.DamageCount, report.Damage[0])
		}
		readable(t, mount, g)
	}
}

// A capture does not build on a parent whose packs are gone: it heals them.
func TestCaptureOverADamagedParentIsWhole(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	g := mustStore(t, r, variant(1), nil)
	if err := os.Remove(packFile(dir, g, 1)); err != nil {
		t.Fatal(err)
	}
	r = openRepo(t, dir, small())
	readable(t, r, mustStore(t, r, variant(1), g))
}

// A pack whose table is damaged does not count as there once the index is gone.
func TestPackWithoutItsTableIsNotCountedOn(t *testing.T) {
	dir := smallRepo(t)
	g := mustStore(t, openRepo(t, dir, small()), variant(1), nil)
	b := readFile(t, packFile(dir, g, 1))
	b[len(b)-10] ^= 1
	writeFile(t, packFile(dir, g, 1), b)
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	for _, parent := range []*repo.Generation{nil, g} {
		r := openRepo(t, dir, small())
		readable(t, r, mustStore(t, r, variant(1), parent))
	}
}

// A pack that was cut short does not count as there.
func TestTruncatedPackIsNotCountedOn(t *testing.T) {
	dir := smallRepo(t)
	g := mustStore(t, openRepo(t, dir, small()), variant(1), nil)
	if err := os.Truncate(packFile(dir, g, 1), 100); err != nil {
		t.Fatal(err)
	}
	r := openRepo(t, dir, small())
	readable(t, r, mustStore(t, r, variant(1), nil))
}

// An index cut short under an open view costs the index, not the process.
func TestTruncatedIndexDoesNotEndTheProcess(t *testing.T) {
	dir := smallRepo(t)
	w := openRepo(t, dir, small())
	first := mustStore(t, w, variant(1), nil)
	second := mustStore(t, w, variant(2), nil)
	r := openRepo(t, dir, &repo.Options{CacheBytes: 1})
	readable(t, r, first) // its view lingers
	tables, err := filepath.Glob(filepath.Join(dir, "index", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		if err := os.Truncate(name, 0); err != nil {
			t.Fatal(err)
		}
	}
	readable(t, r, second)
}

// Lengths in the index are not believed.
func TestImpossibleLengthInTheIndex(t *testing.T) {
	dir := smallRepo(t)
	content := sample(1, 160*kib)
	g := mustStore(t, openRepo(t, dir, nil), content, nil)
	tables := tablesOf(t, dir, g, 16*kib)
	tables[0].Entries[1].Stored = 0xfffffff0
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	x, err := index.Open(filepath.Join(dir, "index"), filepath.Join(dir, "locks"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Merge(t.Context(), tables); err != nil {
		t.Fatal(err)
	}
	x.Close()
	f, err := openRepo(t, dir, nil).OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(make([]byte, len(content)), 0); err != nil {
		t.Error(err)
	}
}

// An object that cannot be read hides no other.
func TestUnreadableObjectsDoNotHideOthers(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	g := mustStore(t, r, variant(1), nil)
	mustStore(t, r, variant(2), nil)
	for _, bad := range []string{format.ManifestName(g.Session), packName(g, 1)} {
		f := &storagetest.Faulty{Storage: storage.OpenLocal(dir), Plan: func(_ int, op storagetest.Op, name string) (storagetest.Fault, bool) {
			return storagetest.Fail, op == storagetest.OpRead && name == bad // a bad sector: EIO
		}}
		r, err := repo.OpenStorage(t.Context(), f, t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if list, err := r.Generations(t.Context()); err != nil || len(list.Generations) == 0 {
			t.Errorf("%s: Generations: %v", bad, err)
		}
		if _, err := r.Check(t.Context(), repo.CheckOptions{}); err != nil {
			t.Errorf("%s: Check: %v", bad, err)
		}
		if _, err := store(t.Context(), r, bytes.NewReader(variant(3)), int64(len(variant(3))), nil); err != nil {
			t.Errorf("%s: capture: %v", bad, err)
		}
	}
}

// 7

// What looks like a hole at the end may be the end.
func TestSparseFileThatShrinksIsNotKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk")
	writeFile(t, name, sample(1, 2*mib)) // it had 4 MiB
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g, err := store(t.Context(), openRepo(t, smallRepo(t), nil), eof{f}, 4*mib, nil); !errors.Is(err, repo.ErrChanged) {
		t.Errorf("captured %v, %v, want ErrChanged", g, err)
	}
}

type eof struct{ *os.File }

func (e eof) NextData(off int64) (int64, int64, error) {
	if off >= 2*mib {
		return 0, 0, io.EOF // what ENXIO becomes
	}
	return off, 2 * mib, nil
}

// A commit to a storage that hangs can be given up.
func TestCommitCanBeCancelled(t *testing.T) {
	dir := smallRepo(t)
	ctx, cancel := context.WithCancel(t.Context())
	hung := &hanging{Storage: storage.OpenLocal(dir), hung: func() {}}
	r, err := repo.OpenStorage(t.Context(), hung, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.NewWriter(ctx, "", "")
	if err != nil {
		t.Fatal(err)
	}
	f := add(t, w, variant(1))
	done := make(chan error, 1)
	go func() { _, err := w.Commit(ctx, offline(f)); done <- err }()
	for hung.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("Commit hangs with its storage, though cancelled")
	}
}

// A pack that was put back is read again.
func TestPackPutBackIsReadAgain(t *testing.T) {
	dir := smallRepo(t)
	g := mustStore(t, openRepo(t, dir, small()), variant(1), nil)
	mount := openRepo(t, dir, nil)
	pack := packFile(dir, g, 1)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "index")), os.Rename(pack, pack+".away")); err != nil {
		t.Fatal(err)
	}
	rightOrDamage(t, mount, g, variant(1))
	if err := os.Rename(pack+".away", pack); err != nil {
		t.Fatal(err)
	}
	readable(t, mount, g)
}

// Damage names the pack, also where its table is lost.
func TestDamageNamesThePack(t *testing.T) {
	dir := smallRepo(t)
	g := mustStore(t, openRepo(t, dir, small()), variant(1), nil)
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "index")), os.Remove(packFile(dir, g, 1))); err != nil {
		t.Fatal(err)
	}
	f, err := openRepo(t, dir, nil).OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	var d *repo.DamageError
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.As(err, &d) || d.Object != packName(g, 1) {
		t.Errorf("ReadAt = %v, want %s named", err, packName(g, 1))
	}
}

// A session ends with its commit.
func TestCommittedWriterIsDone(t *testing.T) {
	w := writer(t, openRepo(t, smallRepo(t), nil))
	f := add(t, w, variant(1))
	if _, err := w.Commit(t.Context(), offline(f)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), offline(f)); errors.Is(err, repo.ErrRevoked) {
		t.Errorf("second Commit = %v, but the generation exists", err)
	}
	if _, err := w.Add(t.Context(), in("b", variant(2))); err == nil {
		t.Error("Add after Commit succeeds; its packs are in no manifest")
	}
}

// A copy of a manifest elsewhere is no generation.
func TestManifestsBelowSubfoldersAreIgnored(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	g := mustStore(t, r, variant(1), nil)
	b := readFile(t, filepath.Join(dir, format.ManifestName(g.Session)))
	if err := os.Mkdir(filepath.Join(dir, "generations", "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "generations", "old", g.Session.String()), b)
	if all := generations(t, r); len(all) != 1 {
		t.Errorf("generations are %v", all)
	}
}

// A manifest of a newer format does not hide the others.
func TestNewerManifestDoesNotHideOthers(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	mustStore(t, r, variant(0), nil)
	name := filepath.Join(dir, format.ManifestName(mustStore(t, r, variant(1), nil).Session))
	b := readFile(t, name)
	b[10] = format.Version + 1
	writeFile(t, name, b)
	if list, err := openRepo(t, dir, nil).Generations(t.Context()); err != nil || len(list.Generations) != 1 {
		t.Errorf("Generations = %v, %v", list, err)
	}
}

// A capture that failed leaves nothing, though an answer was lost.
func TestFailedCaptureLeavesNothing(t *testing.T) {
	for prefix, fault := range map[string]storagetest.Fault{"packs/": storagetest.FailAfter, "sessions/": storagetest.FailAfter, "generations/": storagetest.Fail} {
		dir := smallRepo(t)
		var hits atomic.Int32
		r, _, err := openFaulty(t.Context(), dir, func(_ int, op storagetest.Op, name string) (storagetest.Fault, bool) {
			return fault, op == storagetest.OpCreate && strings.HasPrefix(name, prefix) && hits.Add(1) == 1
		})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := store(t.Context(), r, bytes.NewReader(variant(1)), int64(len(variant(1))), nil); !errors.Is(err, storagetest.ErrInjected) {
			t.Fatal(err)
		}
		nothingLeft(t, dir)
	}
}

// What is gone already, with its folder, is removed.
func TestRemoveInAMissingFolder(t *testing.T) {
	if err := storage.OpenLocal(t.TempDir()).Remove(t.Context(), "packs/x/1"); err != nil {
		t.Error(err)
	}
}
