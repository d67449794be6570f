package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
	"granary/repo/storage/storagetest"
)

// kib is a kibibyte.
const kib = 1 << 10

// small makes several packs, and several merges, of few grains.
func small() *repo.Options { return &repo.Options{PackBytes: 64 * kib, MergeGrains: 4} }

// smallRepo makes a repository of 16 KiB grains.
func smallRepo(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "repo")
	if err := repo.Init(t.Context(), dir, 16*kib); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyOf copies a repository that nobody has open.
func copyOf(t *testing.T, origin string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "repo")
	if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openFaulty opens the repository in dir over a storage that goes wrong as
// planned. Its index lies where Open has it.
func openFaulty(ctx context.Context, dir string, plan func(int, storagetest.Op, string) (storagetest.Fault, bool)) (*repo.Repo, *storagetest.Faulty, error) {
	f := &storagetest.Faulty{Storage: storage.OpenLocal(dir), Plan: plan}
	r, err := repo.OpenStorage(ctx, f, dir, small())
	return r, f, err
}

// strike is a plan that notes what it hit.
type strike struct {
	mu      sync.Mutex // guards what follows
	objects []string
	ops     []storagetest.Op
}

func (s *strike) on(plan func(int, storagetest.Op, string) (storagetest.Fault, bool)) func(int, storagetest.Op, string) (storagetest.Fault, bool) {
	return func(n int, op storagetest.Op, name string) (storagetest.Fault, bool) {
		fault, bad := plan(n, op, name)
		if bad {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.objects, s.ops = append(s.objects, name), append(s.ops, op)
		}
		return fault, bad
	}
}

// listed returns the names of the objects below a prefix, without those of
// the committed generations.
func listed(t *testing.T, dir, prefix string, generations []*repo.Generation) (names []string) {
	t.Helper()
	err := storage.OpenLocal(dir).List(t.Context(), prefix, func(name string, _ int64) error {
		if !slices.ContainsFunc(generations, func(g *repo.Generation) bool { return strings.Contains(name, g.Session.String()) }) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func generations(t *testing.T, r *repo.Repo) []*repo.Generation {
	t.Helper()
	list, err := r.Generations(t.Context())
	if err != nil || len(list.Damaged) > 0 {
		t.Fatalf("Generations: %v, damaged %v", err, list)
	}
	return list.Generations
}

// variant shares most of its grains with the other variants.
func variant(n int) []byte {
	b := sample(7, 160*kib)
	copy(b[32*kib:], sample(uint64(1000+n), 48*kib))
	return b
}

// Whatever single operation of the storage fails, or all from some moment on:
// the capture says so, or the generation is there and whole. The next capture
// succeeds.
func TestCaptureOnFailingStorage(t *testing.T) {
	for _, fault := range []storagetest.Fault{storagetest.Fail, storagetest.FailAfter} {
		for _, forever := range []bool{false, true} {
			what := map[storagetest.Fault]string{storagetest.Fail: "fails", storagetest.FailAfter: "loses its answer"}[fault] + map[bool]string{false: " once", true: " for ever"}[forever]
			t.Run(what, func(t *testing.T) {
				origin := smallRepo(t)
				parent := mustStore(t, openRepo(t, origin, small()), variant(0), nil)
				for n, reached := 1, true; reached; n++ {
					reached = failNth(t, copyOf(t, origin), n, fault, forever, parent)
				}
			})
		}
	}
}

// failNth captures with the n-th operation going wrong, then on a storage that
// works. It tells whether the capture came to its n-th operation at all.
func failNth(t *testing.T, dir string, n int, fault storagetest.Fault, forever bool, parent *repo.Generation) bool {
	t.Helper()
	var hit strike
	content := variant(n)
	r, _, err := openFaulty(t.Context(), dir, hit.on(storagetest.FailNth(n, fault, forever)))
	var made *repo.Generation
	if err == nil {
		made, err = store(t.Context(), r, bytes.NewReader(content), int64(len(content)), parent)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(hit.ops) == 0 {
		if err != nil {
			t.Errorf("a capture on a working storage: %v", err)
		}
		return false
	}
	at := fmt.Sprintf("operation %d (%s %s)", n, hit.ops[0], hit.objects[0])
	if err != nil && !errors.Is(err, storagetest.ErrInjected) {
		t.Errorf("%s: the error hides its cause: %v", at, err)
	}

	healthy := openRepo(t, dir, small())
	all := generations(t, healthy)
	if i := slices.IndexFunc(all, func(g *repo.Generation) bool { return g.Session != parent.Session }); i >= 0 {
		if !bytes.Equal(readAll(t, healthy, all[i]), content) {
			t.Errorf("%s: the generation has other bytes", at)
		}
	} else if err == nil {
		t.Errorf("%s: no error, and %s does not exist", at, made)
	}
	checkSound(t, healthy)
	// What fails before the commit leaves nothing. After a commit without an
	// answer nobody knows, and the packs stay.
	clean := fault == storagetest.Fail && !forever && hit.ops[0] != storagetest.OpRemove
	if left := listed(t, dir, "sessions/", nil); clean && len(left) > 0 {
		t.Errorf("%s: %q is left", at, left)
	}
	unsure := strings.HasPrefix(hit.objects[0], format.GenerationsPrefix) && hit.ops[0] == storagetest.OpCreate
	if left := listed(t, dir, "packs/", all); clean && !unsure && len(left) > 0 {
		t.Errorf("%s: %q is left", at, left)
	}

	next := mustStore(t, healthy, content, parent)
	if !bytes.Equal(readAll(t, openRepo(t, dir, small()), next), content) {
		t.Errorf("%s: the next capture has other bytes", at)
	}
	return true
}

// creations are the objects that a capture creates, in their order.
func creations(t *testing.T) (kinds []string) {
	t.Helper()
	dir := smallRepo(t)
	r, _, err := openFaulty(t.Context(), dir, func(_ int, op storagetest.Op, name string) (storagetest.Fault, bool) {
		if op == storagetest.OpCreate {
			kinds = append(kinds, name)
		}
		return 0, false
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	mustStore(t, r, variant(1), nil)
	return kinds
}

// A storage that keeps something else than it was given, and says nothing, is
// found out by Check; a reader gets an error and never wrong bytes.
func TestStorageThatKeepsOtherBytes(t *testing.T) {
	count := len(creations(t))
	for _, fault := range []storagetest.Fault{storagetest.Truncate, storagetest.Corrupt} {
		for n := range count {
			t.Run(fmt.Sprintf("%s creation %d", map[storagetest.Fault]string{storagetest.Truncate: "truncated", storagetest.Corrupt: "corrupted"}[fault], n+1), func(t *testing.T) {
				spoilCreation(t, fault, n)
			})
		}
	}
}

func spoilCreation(t *testing.T, fault storagetest.Fault, n int) {
	dir := smallRepo(t)
	before := mustStore(t, openRepo(t, dir, small()), sample(500, 100*kib), nil)
	var hit strike
	created := 0
	r, _, err := openFaulty(t.Context(), dir, hit.on(func(_ int, op storagetest.Op, _ string) (storagetest.Fault, bool) {
		if op != storagetest.OpCreate {
			return 0, false
		}
		created++
		return fault, created == n+1
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content := variant(1)
	g, err := store(t.Context(), r, bytes.NewReader(content), int64(len(content)), nil)
	if err != nil {
		t.Fatalf("Commit: %v; the storage said nothing", err)
	}
	bad := hit.objects[0]

	report, err := r.Check(t.Context(), repo.CheckOptions{ReadData: true})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(bad, format.SessionsPrefix):
		if report.DamageCount > 0 {
			t.Errorf("a session that nobody needs counts as damage: %v", report.Damage)
		}
	case bad == format.ManifestName(g.Session):
		if !names(report.Damage, repo.DamageError{Object: bad}) {
			t.Errorf("Check does not name %s: %v", bad, report.Damage)
		}
	default:
		if !names(report.Damage, repo.DamageError{Object: bad}) || !names(report.Damage, repo.DamageError{Generation: g.String(), File: "disk.vmdk"}) {
			t.Errorf("Check does not name %s and the file: %v", bad, report.Damage)
		}
	}
	for _, reader := range []*repo.Repo{r, openRepo(t, dir, nil)} {
		rightOrDamage(t, reader, g, content)
		if !bytes.Equal(readAll(t, reader, before), sample(500, 100*kib)) {
			t.Error("a generation beside it has other bytes")
		}
	}
}

// names tells whether an error of the list has the fields that want has.
func names(damage []error, want repo.DamageError) bool {
	return slices.ContainsFunc(damage, func(err error) bool {
		var d *repo.DamageError
		return errors.As(err, &d) && (want.Object == "" || d.Object == want.Object) &&
			(want.Generation == "" || d.Generation == want.Generation) && (want.File == "" || d.File == want.File)
	})
}

// rightOrDamage reads a file in parts: each has the right bytes, or there is a
// DamageError that names generation, file and offset. It returns the number of
// the latter.
func rightOrDamage(t *testing.T, r *repo.Repo, g *repo.Generation, want []byte) (damaged int) {
	t.Helper()
	f, err := r.OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	part := r.Grain()
	for off := 0; off < len(want); off += part {
		p := make([]byte, min(part, len(want)-off))
		n, err := f.ReadAt(p, int64(off))
		if !bytes.Equal(p[:n], want[off:off+n]) {
			t.Fatalf("wrong bytes at %d", off)
		}
		if err == nil || err == io.EOF && n == len(p) {
			continue
		}
		damaged++
		var d *repo.DamageError
		if !errors.As(err, &d) || d.Generation != g.String() || d.File != "disk.vmdk" || d.Offset < int64(off) || d.Offset > int64(off+part) {
			t.Errorf("the read at %d fails with %v", off, err)
		}
	}
	return damaged
}

// A read that fails or comes back wrong makes an error or nothing, never wrong
// bytes, and does not outlive itself.
func TestReadsOnFailingStorage(t *testing.T) {
	dir := smallRepo(t)
	content := variant(1)
	g := mustStore(t, openRepo(t, dir, small()), content, nil)
	faults := map[storagetest.Fault]string{storagetest.Fail: "fails", storagetest.FailAfter: "loses its answer", storagetest.Truncate: "comes back short", storagetest.Corrupt: "comes back flipped"}
	for _, fault := range slices.Sorted(maps.Keys(faults)) {
		t.Run(faults[fault], func(t *testing.T) {
			for n, reached := 1, true; reached; n++ {
				var struck, over atomic.Bool
				reads := 0
				r, _, err := openFaulty(t.Context(), dir, func(_ int, op storagetest.Op, name string) (storagetest.Fault, bool) {
					if op != storagetest.OpRead || name == format.ConfigName || over.Load() {
						return 0, false
					}
					reads++
					if reads == n {
						struck.Store(true)
					}
					return fault, reads == n
				})
				if err != nil {
					t.Fatal(err)
				}
				f, err := r.OpenFile(g, "disk.vmdk")
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
				if !bytes.Equal(got, content[:len(got)]) || err == nil && len(got) != len(content) {
					t.Errorf("read %d: wrong bytes, %v", n, err)
				}
				over.Store(true)
				if reached = struck.Load(); !reached && err != nil {
					t.Error(err)
				}
				// The next one may still wait for a read-ahead that was struck.
				got, err = io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
				if !bytes.Equal(got, content[:len(got)]) || err == nil && len(got) != len(content) {
					t.Errorf("read %d: wrong bytes after it, %v", n, err)
				}
				if !bytes.Equal(readAll(t, r, g), content) {
					t.Errorf("read %d: wrong bytes later", n)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
