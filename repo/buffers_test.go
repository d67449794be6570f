package repo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
	"granary/repo/storage/storagetest"
)

// unsteady is content whose reads past a point wait, and then fail.
type unsteady struct {
	io.ReaderAt
	from    int64
	reached func()          // called by each read past the point
	wait    <-chan struct{} // nil to fail at once
}

var errUnsteady = errors.New("the disk is gone")

func (u unsteady) ReadAt(p []byte, off int64) (int, error) {
	if off < u.from {
		return u.ReaderAt.ReadAt(p, off)
	}
	u.reached()
	if u.wait != nil {
		<-u.wait
	}
	return 0, errUnsteady
}

// Writers whose sources hang hold no other up, though they have all the shared
// buffers.
func TestHungSourceHoldsNobodyUp(t *testing.T) {
	leavesNoGoroutine(t)
	r := openRepo(t, smallRepo(t), nil)
	const many = 4
	release, ended := make(chan struct{}), make(chan error, many)
	for i := range uint64(many) {
		hung := make(chan struct{})
		var once sync.Once
		source := unsteady{endless{i}, 3 * mib, func() { once.Do(func() { close(hung) }) }, release}
		go func() {
			_, err := store(t.Context(), r, source, 64*mib, nil)
			ended <- err
		}()
		<-hung
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // against hanging
	defer cancel()
	content := sample(1, 24*mib)
	g, err := store(ctx, r, bytes.NewReader(content), int64(len(content)), nil)
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, r, g), content) {
		t.Error("reads other bytes")
	}
	for range many {
		if err := <-ended; !errors.Is(err, errUnsteady) {
			t.Errorf("a hung writer: %v", err)
		}
	}
	if n := r.SharedBuffersLent(); n != 0 {
		t.Errorf("%d shared buffers are lost", n)
	}
}

// However a writer ends, what it borrowed goes back.
func TestEveryEndGivesBuffersBack(t *testing.T) {
	ends := map[string]func(ctx context.Context, cancel func(), r *repo.Repo) error{
		"commit": func(ctx context.Context, _ func(), r *repo.Repo) error {
			_, err := store(ctx, r, endless{1}, 20*mib, nil)
			return err
		},
		"no commit": func(ctx context.Context, _ func(), r *repo.Repo) error {
			w, err := r.NewWriter(ctx, "", "")
			if err != nil {
				return err
			}
			_, err = w.Add(ctx, repo.Input{File: format.File{Path: "disk", Role: format.RoleDisk, Size: 20 * mib}, Content: endless{2}})
			return errors.Join(err, w.Close())
		},
		"failing source": func(ctx context.Context, _ func(), r *repo.Repo) error {
			_, err := store(ctx, r, unsteady{endless{3}, 5 * mib, func() {}, nil}, 20*mib, nil)
			return expected(err, errUnsteady)
		},
		"cancelled": func(ctx context.Context, cancel func(), r *repo.Repo) error {
			_, err := store(ctx, r, unsteady{endless{4}, 5 * mib, cancel, ctx.Done()}, 20*mib, nil)
			if errors.Is(err, errUnsteady) {
				return nil
			}
			return expected(err, context.Canceled)
		},
		"failing storage": func(ctx context.Context, _ func(), r *repo.Repo) error {
			_, err := store(ctx, r, endless{5}, 20*mib, nil)
			return expected(err, storagetest.ErrInjected)
		},
	}
	for what, end := range ends {
		t.Run(what, func(t *testing.T) {
			faulty := &storagetest.Faulty{Storage: storage.OpenLocal(smallRepo(t))}
			if what == "failing storage" {
				faulty.Plan = storagetest.FailNth(60, storagetest.Fail, true)
			}
			r, err := repo.OpenStorage(t.Context(), faulty, t.TempDir(), &repo.Options{PackBytes: mib})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if err := end(ctx, cancel, r); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := r.SharedBuffersLent(); n != 0 {
				t.Errorf("%d shared buffers are lost", n)
			}
		})
	}
}

// expected is nil if err is the one that has to come.
func expected(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("another end than expected"), err)
}
