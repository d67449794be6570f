package repo_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage/storagetest"
)

func forget(t *testing.T, r *repo.Repo, g *repo.Generation) {
	t.Helper()
	if err := r.Forget(t.Context(), g, "keep last 1"); err != nil {
		t.Fatal(err)
	}
}

func TestForgottenGenerationsAreNotListed(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	at := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	first := commitAt(t, r, "web", at)
	commitAt(t, r, "web", at.Add(time.Hour))
	other := openRepo(t, dir, nil)
	generations(t, other) // it knows both
	for range 2 {
		forget(t, r, first)
		forget(t, other, first)
	}
	for _, reader := range []*repo.Repo{r, other, openRepo(t, dir, nil)} {
		if got := generationNames(t, reader); !slices.Equal(got, []string{"web@2026-11-23T051500Z"}) {
			t.Errorf("generations are %v", got)
		}
	}
	record, err := format.ParseForget(first.Session, format.RepoID(unhex(t, r.ID())), readFile(t, filepath.Join(dir, format.ForgetName(first.Session))))
	if err != nil || record.Reason != "keep last 1" || record.Time < at.UnixNano()/2 {
		t.Errorf("the record says %+v, %v", record, err)
	}
}

// Of two generations of one second the second keeps its name when the first is
// forgotten, and a third gets another.
func TestForgettingRenamesNobody(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	at := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	for _, first := range []byte{1, 2} { // of two hosts that did not see each other
		m := &format.Manifest{Session: format.SessionID{first}, VM: "web", Frozen: at.UnixNano(), Consistency: format.Clean}
		b, err := m.Marshal(format.RepoID(unhex(t, r.ID())))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, format.ManifestName(m.Session)), b)
	}
	forget(t, r, generations(t, r)[0])
	if got := commitAt(t, r, "web", at); got.Name != "2026-11-23T041500Z-3" {
		t.Errorf("the next is %s", got)
	}
	want := []string{"web@2026-11-23T041500Z-2", "web@2026-11-23T041500Z-3"}
	if got := generationNames(t, openRepo(t, dir, nil)); !slices.Equal(got, want) {
		t.Errorf("generations are %v, want %v", got, want)
	}
}

func TestForgetRefuses(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	g := mustStore(t, r, variant(1), nil)
	pruned := mustStore(t, r, variant(2), nil)
	if err := os.Remove(filepath.Join(dir, format.ManifestName(pruned.Session))); err != nil {
		t.Fatal(err)
	}
	revoked := &repo.Generation{Manifest: &format.Manifest{Session: format.SessionID{7}}}
	writeFile(t, filepath.Join(dir, format.ManifestName(revoked.Session)), revocationOf(t, r, revoked.Session))
	never := &repo.Generation{Manifest: &format.Manifest{Session: format.SessionID{8}}}
	for what, missing := range map[string]*repo.Generation{"pruned": pruned, "revoked": revoked, "never there": never} {
		if err := r.Forget(t.Context(), missing, ""); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", what, err)
		}
	}
	for _, reason := range []string{strings.Repeat("x", 1001), "a\nb", "\xff"} {
		if err := r.Forget(t.Context(), g, reason); err == nil {
			t.Errorf("the reason %.10q is taken", reason)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Forget(ended, g, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Forget after the end = %v", err)
	}
	if all := generations(t, r); len(all) != 1 {
		t.Errorf("generations are %v", all)
	}
}

// What a forgotten generation shares with others stays theirs, also once the
// index is made anew; its own content stays until a prune.
func TestForgettingLosesNoGrain(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	old := mustStore(t, r, variant(1), nil)
	kept := mustStore(t, r, variant(2), old)
	before, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	forget(t, r, old)
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	other := openRepo(t, dir, small())
	for g, want := range map[*repo.Generation][]byte{old: variant(1), kept: variant(2)} {
		if !bytes.Equal(readAll(t, other, g), want) {
			t.Errorf("%s reads as other bytes", g)
		}
	}
	if again := mustStore(t, other, variant(1), nil); again.NewBytes != 0 {
		t.Errorf("%d bytes that a forgotten generation has are stored again", again.NewBytes)
	}
	report := mustCheck(t, other)
	if report.DamageCount > 0 || report.Unreferenced > 0 || report.Generations != 2 || report.Packs != len(old.Packs)+len(kept.Packs) {
		t.Errorf("Check = %+v", report)
	}
	after, err := other.Stats(t.Context())
	if err != nil || after.StoredBytes != before.StoredBytes || after.Packs != before.Packs || after.Generations != 2 {
		t.Errorf("Stats = %+v, %v, before %+v", after, err, before)
	}
}

// A forget record that cannot be read forgets nothing.
func TestDamagedForgetRecord(t *testing.T) {
	for _, c := range []struct {
		what   string
		damage func(b []byte) []byte
		want   error
	}{
		{"a flipped bit", func(b []byte) []byte { b[40] ^= 1; return b }, format.ErrCorrupt},
		{"cut short", func(b []byte) []byte { return b[:50] }, format.ErrCorrupt},
		{"a byte missing", func(b []byte) []byte { return slices.Delete(b, 32, 33) }, format.ErrCorrupt},
		{"empty", func([]byte) []byte { return nil }, format.ErrNotRepository},
		{"of a newer format", func(b []byte) []byte { b[10] = format.Version + 1; return b }, format.ErrNewer},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := smallRepo(t)
			g := mustStore(t, openRepo(t, dir, nil), variant(1), nil)
			forget(t, openRepo(t, dir, nil), g)
			name := filepath.Join(dir, format.ForgetName(g.Session))
			whole := readFile(t, name)
			writeFile(t, name, c.damage(bytes.Clone(whole)))
			r := openRepo(t, dir, nil)
			list, err := r.Generations(t.Context())
			if err != nil || len(list.Generations) != 1 || len(list.Damaged) != 1 {
				t.Fatalf("Generations = %+v, %v", list, err)
			}
			var d *repo.DamageError
			if !errors.As(list.Damaged[0], &d) || d.Object != format.ForgetName(g.Session) || !errors.Is(d, c.want) {
				t.Errorf("the damage is %v", list.Damaged[0])
			}
			if err := r.Forget(t.Context(), g, ""); !errors.Is(err, c.want) {
				t.Errorf("Forget again = %v", err)
			}
			if report := mustCheck(t, r); report.DamageCount != 1 || report.Generations != 1 {
				t.Errorf("Check = %+v", report)
			}
			readable(t, r, g)
			// It counts again once it was put back.
			writeFile(t, name, whole)
			if all := generations(t, r); len(all) > 0 {
				t.Errorf("generations are %v", all)
			}
		})
	}
}

// A pack that only a forgotten generation has may go; one that another needs
// may not.
func TestMissingPackOfAForgottenGeneration(t *testing.T) {
	for what, lost := range map[string]int{"nobody needs it": 0, "another generation needs it": 1} {
		dir := smallRepo(t)
		r := openRepo(t, dir, nil)
		old := mustStore(t, r, sample(1, 40*kib), nil)
		if lost > 0 {
			mustStore(t, r, sample(1, 40*kib), nil)
		}
		forget(t, r, old)
		if err := os.Remove(packFile(dir, old, packOf(t, old, format.Data).Number)); err != nil {
			t.Fatal(err)
		}
		if report := mustCheck(t, openRepo(t, dir, nil)); (report.DamageCount > 0) != (lost > 0) {
			t.Errorf("%s: Check finds %v", what, report.Damage)
		}
	}
}

// A session does not build on a generation that was forgotten before it began:
// a prune may have taken what that refers to.
func TestForgottenParentIsPassedOver(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	content := variant(1)
	file := in("disk.vmdk", content)
	file.ModTime, file.Changed, file.Inode = 1, 1, 1
	w := writer(t, r)
	f, err := w.Add(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	old, err := w.Commit(t.Context(), offline(f))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	readable(t, r, old) // r knows its nodes by heart
	file.Parent = &repo.ParentFile{Generation: old, File: old.File("disk.vmdk")}
	if !writer(t, r).Unchanged(file) {
		t.Error("an unchanged file of a generation that is there counts as changed")
	}
	forget(t, r, old)
	if writer(t, r).Unchanged(file) {
		t.Error("an unchanged file of a forgotten generation is taken over")
	}
	for _, folder := range []string{"generations", "packs", "index"} { // what a prune would do
		if err := os.RemoveAll(filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
	}
	w = writer(t, r)
	if f, err = w.Add(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	g, err := w.Commit(t.Context(), offline(f))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	readable(t, openRepo(t, dir, nil), g)
}

// Whatever operation of the storage fails, Forget says so or is durable, and
// succeeds when it is asked again.
func TestForgetOnFailingStorage(t *testing.T) {
	for _, fault := range []storagetest.Fault{storagetest.Fail, storagetest.FailAfter} {
		for n := 1; ; n++ {
			dir := smallRepo(t)
			g := mustStore(t, openRepo(t, dir, nil), variant(1), nil)
			r, faulty, err := openFaulty(t.Context(), dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			opened := faulty.Operations()
			faulty.Plan = storagetest.FailNth(opened+n, fault, false)
			err = r.Forget(t.Context(), g, "")
			if struck := faulty.Operations() >= opened+n; !struck {
				break // each operation had its turn
			} else if !errors.Is(err, storagetest.ErrInjected) {
				t.Errorf("fault %d at operation %d: %v", fault, n, err)
			}
			forget(t, r, g)
			if all := generations(t, openRepo(t, dir, nil)); len(all) > 0 {
				t.Errorf("fault %d at operation %d: generations are %v", fault, n, all)
			}
		}
	}
}

func TestManyForgetOneGeneration(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	g := mustStore(t, r, variant(1), nil)
	var wg sync.WaitGroup
	for range 8 {
		other := openRepo(t, dir, nil)
		wg.Go(func() {
			if err := other.Forget(t.Context(), g, "at once"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all := generations(t, r); len(all) > 0 {
		t.Errorf("generations are %v", all)
	}
}
