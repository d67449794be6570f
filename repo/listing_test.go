package repo_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
)

// listing makes one of VM names and generation names.
func listing(all ...[2]string) *repo.Listing {
	l := &repo.Listing{}
	for _, g := range all {
		l.Generations = append(l.Generations, &repo.Generation{Manifest: &format.Manifest{VM: g[0]}, Name: g[1]})
	}
	return l
}

func TestFind(t *testing.T) {
	l := listing(
		[2]string{"a@b", "2026-11-23T041500Z"},
		[2]string{"db", "2026-11-22T000000Z"}, [2]string{"db", "2026-11-23T000000Z"}, [2]string{"db", "2026-11-23T000000Z-2"},
		[2]string{"web", "2025-01-01T000000Z"}, [2]string{"web", "2026-11-23T041500Z"},
		[2]string{"web@2025", "2024-01-01T000000Z"},
	)
	for _, c := range []struct {
		spec, want string
		err        error
	}{
		{"web", "web@2026-11-23T041500Z", nil},
		{"web@latest", "web@2026-11-23T041500Z", nil},
		{"web@", "web@2026-11-23T041500Z", nil},
		{"web@2026-11-23T041500Z", "web@2026-11-23T041500Z", nil},
		{"web@2026", "web@2026-11-23T041500Z", nil},
		{"web@2025-01", "web@2025-01-01T000000Z", nil},
		{"web@202", "", repo.ErrAmbiguous},
		{"web@2024", "", repo.ErrNotFound},
		{"web@2026-11-23T041500Zx", "", repo.ErrNotFound},
		{"db@2026-11-22", "db@2026-11-22T000000Z", nil},
		{"db@2026-11-23", "", repo.ErrAmbiguous},
		{"db@2026-11-23T000000Z", "db@2026-11-23T000000Z", nil}, // a name, and a prefix of another
		{"db@2026-11-23T000000Z-", "db@2026-11-23T000000Z-2", nil},
		{"db@2026-11-23T000000Z-2", "db@2026-11-23T000000Z-2", nil},
		{"a@b", "a@b@2026-11-23T041500Z", nil},
		{"a@b@latest", "a@b@2026-11-23T041500Z", nil},
		{"a@b@2026", "a@b@2026-11-23T041500Z", nil},
		{"web@2025", "web@2025@2024-01-01T000000Z", nil}, // a VM's whole name goes first
		{"a", "", repo.ErrNotFound},
		{"a@", "", repo.ErrNotFound},
		{"", "", repo.ErrNotFound},
		{"@", "", repo.ErrNotFound},
		{"WEB", "", repo.ErrNotFound},
		{"we", "", repo.ErrNotFound},
	} {
		g, err := l.Find(c.spec)
		got := ""
		if err == nil {
			got = g.String()
		}
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("Find(%q) = %q, %v, want %q, %v", c.spec, got, err, c.want, c.err)
		}
	}
	if of := l.Of("db"); len(of) != 3 || of[0].Name != "2026-11-22T000000Z" {
		t.Errorf("generations of db are %v", of)
	}
	if of := l.Of("none"); len(of) > 0 {
		t.Errorf("generations of none are %v", of)
	}
}

// commitAt makes a generation of a VM, without files.
func commitAt(t *testing.T, r *repo.Repo, vm string, frozen time.Time) *repo.Generation {
	t.Helper()
	w, err := r.NewWriter(t.Context(), "test", "test")
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.Commit(t.Context(), &format.Manifest{VM: vm, Frozen: frozen.UnixNano(), Consistency: format.Clean})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return g
}

func generationNames(t *testing.T, r *repo.Repo) (all []string) {
	t.Helper()
	for _, g := range generations(t, r) {
		all = append(all, g.String())
	}
	return all
}

func TestGenerationsOfOneSecond(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	at := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	for i, want := range []string{"", "-2", "-3"} {
		if g := commitAt(t, r, "web", at.Add(time.Duration(i)*time.Millisecond)); g.Name != "2026-11-23T041500Z"+want {
			t.Errorf("generation %d is %s", i+1, g)
		}
	}
	if g := commitAt(t, r, "db", at); g.Name != "2026-11-23T041500Z" {
		t.Errorf("another VM's generation is %s", g)
	}
	if g := commitAt(t, r, "web", at.Add(time.Second)); g.Name != "2026-11-23T041501Z" {
		t.Errorf("a second later it is %s", g)
	}
	want := []string{"db@2026-11-23T041500Z", "web@2026-11-23T041500Z", "web@2026-11-23T041500Z-2", "web@2026-11-23T041500Z-3", "web@2026-11-23T041501Z"}
	for _, reader := range []*repo.Repo{r, openRepo(t, dir, nil)} {
		if got := generationNames(t, reader); !slices.Equal(got, want) {
			t.Errorf("generations are %v, want %v", got, want)
		}
	}
}

// Two hosts that did not see each other took the same name: readers tell the
// generations apart, each in the same way.
func TestGenerationsOfTheSameName(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, nil)
	at := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	id := format.RepoID(unhex(t, r.ID()))
	for _, first := range []byte{9, 1, 5} {
		m := &format.Manifest{Session: format.SessionID{first}, VM: "web", Frozen: at.UnixNano(), Consistency: format.Clean}
		b, err := m.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.OpenLocal(dir).Create(t.Context(), format.ManifestName(m.Session), b); err != nil {
			t.Fatal(err)
		}
	}
	for _, reader := range []*repo.Repo{r, openRepo(t, dir, nil)} {
		all := generations(t, reader)
		if len(all) != 3 {
			t.Fatalf("generations are %v", all)
		}
		for i, want := range []struct {
			first byte
			name  string
		}{{1, "2026-11-23T041500Z"}, {5, "2026-11-23T041500Z-2"}, {9, "2026-11-23T041500Z-3"}} {
			if all[i].Session[0] != want.first || all[i].Name != want.name {
				t.Errorf("generation %d is %s of session %s", i, all[i], all[i].Session)
			}
		}
	}
	if g := commitAt(t, r, "web", at); g.Name != "2026-11-23T041500Z-4" {
		t.Errorf("the next is %s", g)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// revocationOf is the record that a prune puts in a manifest's place.
func revocationOf(t *testing.T, r *repo.Repo, session format.SessionID) []byte {
	t.Helper()
	b := append([]byte("granary\n"), byte(format.KindRevocation), 0, format.Version, 0, 0, 0, 0, 0)
	b = append(b, unhex(t, r.ID())...)
	name := format.ManifestName(session)
	sum := blake3.NewDeriveKey("granary 2026-11 record v1")
	for _, part := range [][]byte{binary.LittleEndian.AppendUint16(nil, uint16(len(name))), []byte(name), b} {
		_, _ = sum.Write(part) // never fails
	}
	return sum.Sum(b)
}

// A revoked session cannot commit, and is no generation.
func TestRevokedSession(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	w, err := r.NewWriter(t.Context(), "test", "test")
	if err != nil {
		t.Fatal(err)
	}
	revocation := revocationOf(t, r, w.ID())
	if err := storage.OpenLocal(dir).Create(t.Context(), format.ManifestName(w.ID()), revocation); err != nil {
		t.Fatal(err)
	}
	g, err := w.Commit(t.Context(), &format.Manifest{VM: "web", Frozen: 1, Consistency: format.Clean})
	if !errors.Is(err, repo.ErrRevoked) {
		t.Errorf("Commit = %v, %v, want ErrRevoked", g, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if all := generations(t, openRepo(t, dir, nil)); len(all) > 0 {
		t.Errorf("generations are %v", all)
	}
	if left := listed(t, dir, "sessions/", nil); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
}
