//go:build linux

package fusefs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"granary/fusefs"
	"granary/repo"
)

func optionsWith(log *logged) *fusefs.Options {
	return &fusefs.Options{Refresh: quick, Log: log.logger()}
}

// A generation that another process commits appears, latest moves to it, and
// a forgotten one goes. The default options keep the promise, too.
func TestFollowsTheRepository(t *testing.T) {
	r, dir := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", []byte("one")))
	for name, options := range map[string]*fusefs.Options{"quick": nil, "default": {}} {
		point, _ := mounted(t, openRepo(t, dir, nil), options)
		there := func(path string) bool { return ask(t, nil, "stat", filepath.Join(point, path)) == nil }
		latest := func() string {
			return string(must[[]byte](t, "read", filepath.Join(point, "web/latest/disk"), "0", "100"))
		}
		if latest() != "one" || there(name) {
			t.Fatal("not what was stored")
		}
		g := commit(t, r, "web", second, data("disk", []byte("second")))
		eventually(t, name+": the new generation appears", func() bool { return there("web/" + g.Name) })
		eventually(t, name+": latest moves", func() bool { return latest() == "second" })
		commit(t, r, name, first, data("f", nil))
		eventually(t, name+": the new VM appears", func() bool { return there(name + "/latest/f") })

		held := start(t, "hold", filepath.Join(point, "web", g.Name, "disk"), "100", "0")
		forget(t, r, g)
		eventually(t, name+": the forgotten one goes", func() bool { return !there("web/" + g.Name) })
		eventually(t, name+": latest goes back", func() bool { return latest() == "one" })
		if b, err := held.finish(t); string(b) != "second" {
			t.Errorf("%s: an open file of a forgotten generation: %q, %v", name, b, err)
		}
		eventually(t, name+": the list is short again", func() bool {
			return len(must[[]map[string]uint64](t, "entries", filepath.Join(point, "web"))[0]) == 4 &&
				must[statAnswer](t, "stat", filepath.Join(point, "web")).Nlink == 3
		})
	}
}

func forget(t *testing.T, r *repo.Repo, g *repo.Generation) {
	t.Helper()
	if err := r.Forget(t.Context(), g, "test"); err != nil {
		t.Fatal(err)
	}
}

// Who has a file of a forgotten generation open reads on, also where the index
// has to be made anew; without its packs he gets errors.
func TestOpenFileOfAForgottenGeneration(t *testing.T) {
	r, dir := newRepo(t, nil)
	disk := sample(1, 3*mib)
	commit(t, r, "db", first, data("disk", []byte("kept")))
	g := commit(t, r, "web", first, data("read", disk), data("lost", sample(2, 3*mib)))
	point, _ := mounted(t, openRepo(t, dir, nil), nil)
	hold := func(name string) *holder {
		return start(t, "hold", filepath.Join(point, "web", first, name), fmt.Sprint(len(disk)), "0")
	}
	read, lost := hold("read"), hold("lost")
	forget(t, r, g)
	eventually(t, "the VM without generations goes", func() bool { return ask(t, nil, "stat", point+"/web") == syscall.ENOENT })
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if b, err := read.finish(t); err != nil || !bytes.Equal(b, disk) {
		t.Errorf("with its packs: %d bytes, %v", len(b), err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "packs", g.Session.String())); err != nil { // as a prune does
		t.Fatal(err)
	}
	if b, err := lost.finish(t); err != syscall.EIO {
		t.Errorf("without its packs: %d bytes, %v", len(b), err)
	}
	if b := must[[]byte](t, "read", point+"/db/latest/disk", "0", "100"); string(b) != "kept" {
		t.Errorf("the other generation: %q", b)
	}
}

func TestUnmountWhileAFileIsOpen(t *testing.T) {
	r, _ := newRepo(t, nil)
	disk := sample(1, 300_000)
	commit(t, r, "web", first, data("disk", disk))
	point, s := mounted(t, r, nil)
	held := start(t, "hold", filepath.Join(point, "web", first, "disk"), fmt.Sprint(len(disk)), "0")
	if err := fusefs.Unmount(point); !errors.Is(err, fusefs.ErrBusy) {
		t.Errorf("Unmount = %v", err)
	}
	for range 2 {
		if err := s.Unmount(); !errors.Is(err, fusefs.ErrDetached) {
			t.Errorf("Server.Unmount = %v", err)
		}
	}
	if err := os.Remove(point); err != nil {
		t.Errorf("the folder is still in use: %v", err)
	}
	if b, err := held.finish(t); err != nil || !bytes.Equal(b, disk) {
		t.Errorf("the open file: %d bytes, %v", len(b), err)
	}
	s.Wait()
	if err := errors.Join(s.Unmount(), s.Close()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

func TestUnmount(t *testing.T) {
	r, _ := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", []byte("x")))
	point, s := mounted(t, r, nil)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Dir(point), link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), "/proc", filepath.Join(t.TempDir(), "missing"), filepath.Dir(point)} {
		if err := fusefs.Unmount(dir); !errors.Is(err, fusefs.ErrNotMounted) {
			t.Errorf("Unmount(%s) = %v", dir, err)
		}
	}
	if err := fusefs.Unmount(filepath.Join(link, "mount")); err != nil {
		t.Fatal(err)
	}
	s.Wait()
	if err := fusefs.Unmount(point); !errors.Is(err, fusefs.ErrNotMounted) {
		t.Errorf("the second Unmount = %v", err)
	}
	// What comes to the same place later is not this server's to end.
	other, err := fusefs.Mount(t.Context(), r, point, nil)
	if err != nil {
		t.Fatal(err)
	}
	endAfter(t, other)
	if err := s.Unmount(); err != nil {
		t.Error(err)
	}
	if err := ask(t, nil, "stat", point+"/web"); err != nil {
		t.Errorf("the later mount: %v", err)
	}
}

func TestMountsLeaveNothingBehind(t *testing.T) {
	r, _ := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", []byte("x")))
	point := t.TempDir()
	var open []int
	for range 3 {
		s, err := fusefs.Mount(t.Context(), r, point, nil)
		if err != nil {
			t.Fatal(err)
		}
		endAfter(t, s)
		if err := errors.Join(ask(t, nil, "tree", point), s.Close()); err != nil {
			t.Fatal(err)
		}
		descriptors, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, len(descriptors), runtime.NumGoroutine())
	}
	if open[4] > open[0] || open[5] > open[1]+1 {
		t.Errorf("descriptors and goroutines after each mount: %d", open)
	}
}

func TestRefusesMountPoints(t *testing.T) {
	r, dir := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", []byte("x")))
	point, _ := mounted(t, r, nil)
	base := t.TempDir()
	link, file, full := filepath.Join(base, "link"), filepath.Join(base, "file"), filepath.Join(base, "full")
	for _, err := range []error{os.Symlink(dir, link), os.WriteFile(file, nil, 0o600), os.MkdirAll(full+"/x", 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for where, want := range map[string]error{
		filepath.Join(base, "missing"): fusefs.ErrNoMountPoint,
		file:                           fusefs.ErrNoMountPoint,
		file + "/x":                    fusefs.ErrNoMountPoint,
		full:                           fusefs.ErrNotEmpty,
		dir:                            fusefs.ErrOverlap,
		dir + "/tmp":                   fusefs.ErrOverlap,
		link + "/tmp":                  fusefs.ErrOverlap,
		filepath.Dir(dir):              fusefs.ErrOverlap,
		point:                          fusefs.ErrMounted,
		point + "/web/" + first:        fusefs.ErrMounted,
	} {
		s, err := fusefs.Mount(t.Context(), r, where, nil)
		if s != nil {
			endAfter(t, s)
		}
		if !errors.Is(err, want) {
			t.Errorf("Mount(%s) = %v, want %v", where, err, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fusefs.Mount(ended, broken{r}, filepath.Join(full, "x"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Mount of what cannot be listed = %v", err)
	}
}

// broken is a source that does not answer.
type broken struct{ *repo.Repo }

func (b broken) Generations(ctx context.Context) (*repo.Listing, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A mount whose server was killed is refused, named, and taken away.
func TestDeadMount(t *testing.T) {
	r, dir := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", []byte("x")))
	point := t.TempDir()
	server := start(t, "serve", dir, point)
	t.Cleanup(func() { _ = fusefs.Unmount(point) })
	if err := ask(t, nil, "stat", point+"/web/latest/disk"); err != nil {
		t.Fatal(err)
	}
	if err := server.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead mount says so", func() bool { return ask(t, nil, "stat", point+"/db") == syscall.ENOTCONN })
	if _, err := fusefs.Mount(t.Context(), r, point, nil); !errors.Is(err, fusefs.ErrMounted) {
		t.Errorf("Mount over a dead one = %v", err)
	}
	if err := fusefs.Unmount(point); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(point); err != nil || len(entries) > 0 {
		t.Errorf("after Unmount: %v, %v", entries, err)
	}
}

// crowd is a source with more generations than a test can store.
type crowd struct {
	*repo.Repo
	list  *repo.Listing
	fails atomic.Bool
}

func (c *crowd) Generations(context.Context) (*repo.Listing, error) {
	if c.fails.Load() {
		return nil, errors.New("storage is away")
	}
	return c.list, nil
}

// Thousands of generations are listed at once, and stay when the repository
// cannot be read.
func TestManyGenerations(t *testing.T) {
	r, _ := newRepo(t, nil)
	g := commit(t, r, "web", first, data("disk", []byte("x")))
	c := &crowd{Repo: r, list: &repo.Listing{}}
	const many = 1000
	for i := range many {
		m := *g.Manifest
		m.Session[0], m.Session[1] = byte(i), byte(i>>8)
		m.Frozen += int64(i) * int64(time.Hour)
		c.list.Generations = append(c.list.Generations, &repo.Generation{Manifest: &m, Name: m.Generation()})
	}
	var log logged
	point, _ := mounted(t, c, &fusefs.Options{Log: log.logger()})
	began := time.Now()
	if out := run(t, "ls", "-l", point+"/web"); strings.Count(out, "dr-xr-xr-x") != many || !strings.Contains(out, "latest -> "+c.list.Generations[many-1].Name) {
		t.Errorf("ls lists %d generations", strings.Count(out, "dr-xr-xr-x"))
	}
	t.Logf("ls -l of %d generations took %v", many, time.Since(began))
	if n := strings.Count(run(t, "find", point, "-name", "disk"), "\n"); n != many {
		t.Errorf("find finds %d files", n)
	}
	c.fails.Store(true)
	time.Sleep(1100 * time.Millisecond)
	if n := len(must[[]map[string]uint64](t, "entries", point+"/web")[0]); n != many+3 {
		t.Errorf("%d entries once the repository is away", n)
	}
	if text := log.String(); strings.Count(text, "storage is away") != 1 {
		t.Errorf("the log says %s", text)
	}
}
