//go:build linux

package fusefs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
)

func TestErrnoOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{repo.ErrNotFound, syscall.ENOENT},
		{fmt.Errorf("file %q: %w", "x", repo.ErrNotFound), syscall.ENOENT},
		{&repo.DamageError{Object: "packs/x", Err: format.ErrCorrupt}, syscall.EIO},
		{fmt.Errorf("read: %w", &repo.DamageError{Err: storage.ErrNotExist}), syscall.EIO},
		{&repo.DamageError{Err: fs.ErrPermission}, syscall.EIO},
		{&repo.DamageError{Err: repo.ErrNotFound}, syscall.EIO},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, syscall.EACCES},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, syscall.EIO},
		{context.Canceled, syscall.EIO},
		{context.DeadlineExceeded, syscall.EIO},
		{syscall.EMFILE, syscall.EIO},
		{errors.New("whatever"), syscall.EIO},
	} {
		if got := errnoOf(c.err); got != c.want {
			t.Errorf("errnoOf(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestComplaintsDoNotFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		c := newComplaints(slog.New(slog.NewTextHandler(&b, nil)))
		for range 3 * 24 * 60 * 60 { // three days of a failure a second
			c.about("disk", "read failed", errors.New("gone"))
			time.Sleep(time.Second)
		}
		c.about("other", "read failed", nil)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) < 10 || len(lines) > 16 || !strings.Contains(lines[1], "repeated=59") {
			t.Errorf("%d lines: %s", len(lines), b.String())
		}
		for i := range 3 * maxSubjects {
			c.about(fmt.Sprint(i), "read failed", nil)
		}
		if len(c.subjects) > maxSubjects {
			t.Errorf("%d subjects are remembered", len(c.subjects))
		}
	})
}

func TestParseMountTable(t *testing.T) {
	const text = `22 27 0:21 / /proc rw,relatime - proc proc rw
36 35 98:0 /mnt1 /mnt\0402\012\134x rw,noatime master:1 shared:7 - fuse.granary /my\040repo rw,errors=continue
37 35 0:50 / /a ro - ext4 - rw
a broken line
38 35 0:51 / /a ro - fuse.granary - rw
`
	table := parseMountTable(text)
	want := []mounted{{"0:21", "/proc", "proc"}, {"98:0", "/mnt 2\n\\x", "fuse.granary"}, {"0:50", "/a", "ext4"}, {"0:51", "/a", "fuse.granary"}}
	if !slices.Equal(table, want) {
		t.Errorf("%+v", table)
	}
	if m := at(table, "/a"); !m.ours() || m.device != "0:51" {
		t.Errorf("on /a is %+v", m)
	}
	if at(table, "/proc").ours() || at(table, "/b").ours() {
		t.Error("others' mounts are taken for ours")
	}
}

func TestMissingPrerequisitesSayWhatToDo(t *testing.T) {
	for err, want := range map[error]string{
		syscall.ENOENT: "modprobe fuse", syscall.ENODEV: "modprobe fuse", syscall.EACCES: "become root", syscall.EPERM: "become root", syscall.EMFILE: "too many",
	} {
		if got := missingDevice(&fs.PathError{Op: "open", Path: fuseDevice, Err: err}); !errors.Is(got, ErrNoFUSE) || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
	for text, want := range map[string]bool{"": false, "# user_allow_other\n": false, "mount_max = 5\n user_allow_other \n": true, "user_allow_other": true} {
		name := filepath.Join(t.TempDir(), "fuse.conf")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if othersAllowed(name) != want {
			t.Errorf("%q: others are allowed: %v", text, !want)
		}
	}
	if othersAllowed(filepath.Join(t.TempDir(), "missing")) {
		t.Error("a missing configuration allows others")
	}
}

func generations(names ...string) *repo.Listing {
	list := &repo.Listing{}
	for i, name := range names {
		vm, at, _ := strings.Cut(name, "@")
		m := &format.Manifest{VM: vm, Frozen: int64(i), Files: []format.File{{Path: "a/b"}}}
		copy(m.Session[:], name)
		list.Generations = append(list.Generations, &repo.Generation{Manifest: m, Name: at})
	}
	return list
}

func TestCatalogueKeepsWhatIsUnchanged(t *testing.T) {
	stats := &repo.Stats{StoredBytes: 5}
	one := newCatalogue(generations("a@1", "a@2", "b@1"), stats, nil)
	if again := newCatalogue(generations("a@1", "a@2", "b@1"), stats, one); again != one {
		t.Error("an unchanged list makes a new catalogue")
	}
	two := newCatalogue(generations("a@2", "b@1", "b@3"), stats, one)
	if two.vms["a"].generations["2"] != one.vms["a"].generations["2"] {
		t.Error("an unchanged generation is made again")
	}
	if _, ok := two.vms["a"].generations["1"]; ok || two.vms["b"].newest().Name != "3" || two.files != 3 {
		t.Errorf("%+v", two)
	}
	other := generations("a@2", "b@1", "b@3")
	other.Generations[0].Session[0]++
	if three := newCatalogue(other, stats, two); three.vms["a"].newest().Session == two.vms["a"].newest().Session {
		t.Error("another session under the same name is taken for the old one")
	}
	if empty := newCatalogue(&repo.Listing{}, stats, two); len(empty.vms) != 0 {
		t.Errorf("%+v", empty)
	}
}

func TestTree(t *testing.T) {
	var files []format.File
	for _, p := range []string{"a.b", "a/x", "a/y/z", "a0", "c/d/e/f"} {
		files = append(files, format.File{Path: p})
	}
	root := newTree(files)
	if !slices.Equal(root.names, []string{"a.b", "a", "a0", "c"}) || len(root.folders) != 2 || len(root.files) != 2 {
		t.Errorf("%+v", root)
	}
	if e := root.folders["c"].folders["d"].folders["e"]; e.path != "c/d/e" || e.files["f"] != &files[4] {
		t.Errorf("%+v", e)
	}
	if y := root.folders["a"].folders["y"]; y.path != "a/y" || y.files["z"] != &files[2] {
		t.Errorf("%+v", y)
	}
}

// stubborn is a source that answers when it is allowed to.
type stubborn struct {
	Source
	list    *repo.Listing
	allowed chan struct{}
	asked   atomic.Int32
}

func (s *stubborn) Generations(ctx context.Context) (*repo.Listing, error) {
	s.asked.Add(1)
	select {
	case <-s.allowed:
		return s.list, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *stubborn) Stats(context.Context) (*repo.Stats, error) { return &repo.Stats{}, nil }

func TestListingDoesNotHangWithItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{list: generations("a@1"), allowed: make(chan struct{}, 1)}
		s.allowed <- struct{}{}
		l, err := openListing(t.Context(), s, time.Second, newComplaints(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		took := func() (names []string, d time.Duration) {
			began := time.Now()
			names = l.catalogue().names
			return names, time.Since(began)
		}
		if names, d := took(); len(names) != 1 || d != 0 || s.asked.Load() != 1 {
			t.Errorf("fresh: %q after %v", names, d)
		}
		time.Sleep(2 * time.Second)
		s.list = generations("a@1", "b@1")
		if names, d := took(); len(names) != 1 || d != refreshPatience {
			t.Errorf("the source hangs: %q after %v", names, d)
		}
		if names, d := took(); len(names) != 1 || d != 0 || s.asked.Load() != 2 {
			t.Errorf("it is known to hang: %q after %v", names, d)
		}
		s.allowed <- struct{}{}
		synctest.Wait()
		// What was read is as old as its question.
		s.allowed <- struct{}{}
		if names, d := took(); len(names) != 2 || d != 0 || s.asked.Load() != 3 {
			t.Errorf("it answers again: %q after %v", names, d)
		}
	})
}
