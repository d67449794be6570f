package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
)

// patience is how long a test waits for what should happen at once.
const patience = 20 * time.Second

// nothingLeft checks that the repository in dir holds no more than the given
// generations.
func nothingLeft(t *testing.T, dir string, all ...*repo.Generation) {
	t.Helper()
	for _, prefix := range []string{"sessions/", "packs/", "generations/"} {
		if left := listed(t, dir, prefix, all); len(left) > 0 {
			t.Errorf("%q is left", left)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) > 0 {
		t.Errorf("tmp holds %v, %v", left, err)
	}
}

// leavesNoGoroutine checks, when the test has closed all it opened, that no
// more goroutines run than before. It goes first in a test.
func leavesNoGoroutine(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				stacks := make([]byte, mib)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			}
		}
	})
}

// onRead is content that does something at its n-th read.
type onRead struct {
	io.ReaderAt
	n     int64
	do    func()
	reads atomic.Int64
}

func (c *onRead) ReadAt(p []byte, off int64) (int, error) {
	if c.reads.Add(1) == c.n {
		c.do()
	}
	return c.ReaderAt.ReadAt(p, off)
}

func TestFileThatShrinksIsNotKept(t *testing.T) {
	for what, c := range map[string]struct{ size, left, atRead int64 }{
		"before it is read":     {5 * mib, 4 * mib, 1},
		"while it is read":      {9 * mib, 6*mib + 100, 3},
		"to nothing":            {9 * mib, 0, 2},
		"by a byte":             {3 * mib, 3*mib - 1, 1},
		"by its last batch":     {3*mib + 1, 3 * mib, 1},
		"within its only grain": {1000, 999, 1},
		"to a whole grain":      {16*kib + 1, 16 * kib, 1},
	} {
		t.Run(what, func(t *testing.T) {
			dir := smallRepo(t)
			r := openRepo(t, dir, small())
			source, err := os.Create(filepath.Join(t.TempDir(), "disk"))
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if _, err := source.Write(sample(1, int(c.size))); err != nil {
				t.Fatal(err)
			}
			content := &onRead{ReaderAt: source, n: c.atRead, do: func() {
				if err := source.Truncate(c.left); err != nil {
					t.Error(err)
				}
			}}
			if g, err := store(t.Context(), r, content, c.size, nil); !errors.Is(err, repo.ErrChanged) {
				t.Errorf("captured %v, %v, want ErrChanged", g, err)
			}
			nothingLeft(t, dir)
		})
	}
}

var errSource = errors.New("the source cannot be read")

// broken is content that fails past an offset.
type broken struct {
	io.ReaderAt
	from int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.from {
		return 0, errSource
	}
	return b.ReaderAt.ReadAt(p, off)
}

// lost is content whose holes cannot be told.
type lost struct{ io.ReaderAt }

func (lost) NextData(off int64) (int64, int64, error) {
	if off == 0 {
		return 0, 2 * mib, nil
	}
	return 0, 0, errSource
}

func TestSourceThatFailsIsNotKept(t *testing.T) {
	content := bytes.NewReader(sample(1, 8*mib))
	for what, source := range map[string]io.ReaderAt{
		"at once":                 broken{content, 0},
		"in the middle":           broken{content, 5 * mib},
		"at its end":              broken{content, 8*mib - 1},
		"when asked for its data": lost{content},
	} {
		t.Run(what, func(t *testing.T) {
			leavesNoGoroutine(t)
			dir := smallRepo(t)
			r := openRepo(t, dir, small())
			parent := mustStore(t, r, variant(0), nil)
			if g, err := store(t.Context(), r, source, 8*mib, parent); !errors.Is(err, errSource) {
				t.Errorf("captured %v, %v", g, err)
			}
			nothingLeft(t, dir, parent)
			checkSound(t, r)
		})
	}
}

// A capture that is told to stop stops, at whatever point, and takes its packs
// with it.
func TestCancelledCapture(t *testing.T) {
	source := sample(2, 6*mib)
	for _, atRead := range []int64{1, 2, 4, 6} {
		t.Run(fmt.Sprintf("at read %d", atRead), func(t *testing.T) {
			leavesNoGoroutine(t)
			dir := smallRepo(t)
			r := openRepo(t, dir, small())
			parent := mustStore(t, r, variant(0), nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			content := &onRead{ReaderAt: bytes.NewReader(source), n: atRead, do: cancel}
			began := time.Now()
			if g, err := store(ctx, r, content, int64(len(source)), parent); !errors.Is(err, context.Canceled) {
				t.Errorf("captured %v, %v", g, err)
			}
			if took := time.Since(began); took > patience {
				t.Errorf("it took %v to return", took)
			}
			nothingLeft(t, dir, parent)
			mustStore(t, r, variant(1), parent)
			checkSound(t, r)
		})
	}
}

// hanging is a storage that does not answer the creation of packs, and calls
// hung when the second one waits.
type hanging struct {
	repo.Storage
	waiting atomic.Int32
	hung    func()
}

func (h *hanging) Create(ctx context.Context, name string, parts ...[]byte) error {
	if !strings.HasPrefix(name, format.PacksPrefix) {
		return h.Storage.Create(ctx, name, parts...)
	}
	if h.waiting.Add(1) == 2 {
		h.hung()
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestCancelledCaptureOnHangingStorage(t *testing.T) {
	leavesNoGoroutine(t)
	dir := smallRepo(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	options := small()
	options.PackBytes = mib // many packs
	r, err := repo.OpenStorage(t.Context(), &hanging{Storage: storage.OpenLocal(dir), hung: cancel}, dir, options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content := sample(1, 16*mib)
	done := make(chan error, 1)
	go func() {
		_, err := store(ctx, r, bytes.NewReader(content), int64(len(content)), nil)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the capture ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the capture hangs with its storage")
	}
	nothingLeft(t, dir)
}

// Sessions that end, however they end, leave no goroutine.
func TestSessionsLeaveNoGoroutines(t *testing.T) {
	leavesNoGoroutine(t)
	r := openRepo(t, smallRepo(t), small())
	for range 3 {
		mustStore(t, r, variant(1), nil)
		w, err := r.NewWriter(t.Context(), "test", "test")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
