package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"granary/repo/storage"
)

// Conformance tests what every storage promises; open returns an empty one.
func Conformance(t *testing.T, open func(t *testing.T) Storage) {
	ctx := context.Background()
	create := func(t *testing.T, s Storage, name, content string) {
		t.Helper()
		if err := s.Create(ctx, name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("reads back what was created, in parts", func(t *testing.T) {
		s := open(t)
		if err := s.Create(ctx, "packs/a/1", []byte("hel"), nil, []byte("lo")); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 3)
		if err := s.ReadAt(ctx, "packs/a/1", p, 2); err != nil || string(p) != "llo" {
			t.Errorf("ReadAt = %q, %v", p, err)
		}
		if n, err := s.Size(ctx, "packs/a/1"); n != 5 || err != nil {
			t.Errorf("Size = %d, %v", n, err)
		}
	})
	t.Run("never overwrites", func(t *testing.T) {
		s := open(t)
		create(t, s, "generations/x", "first")
		if err := s.Create(ctx, "generations/x", []byte("other")); !errors.Is(err, storage.ErrExists) {
			t.Errorf("second Create = %v, want ErrExists", err)
		}
		p := make([]byte, 5)
		if err := s.ReadAt(ctx, "generations/x", p, 0); err != nil || string(p) != "first" {
			t.Errorf("after it: %q, %v", p, err)
		}
	})
	t.Run("lets one of many creators win", func(t *testing.T) { race(t, open(t)) })
	t.Run("tells what is missing or short", func(t *testing.T) {
		s := open(t)
		create(t, s, "packs/a/1", "hello")
		p := make([]byte, 4)
		if err := s.ReadAt(ctx, "packs/a/2", p, 0); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("ReadAt of nothing = %v", err)
		}
		if _, err := s.Size(ctx, "packs/b/2"); !errors.Is(err, storage.ErrNotExist) {
			t.Errorf("Size of nothing = %v", err)
		}
		if err := s.ReadAt(ctx, "packs/a/1", p, 2); !errors.Is(err, storage.ErrShort) {
			t.Errorf("ReadAt past the end = %v", err)
		}
	})
	t.Run("lists below a prefix and removes", func(t *testing.T) {
		s := open(t)
		for _, name := range []string{"packs/a/1", "packs/a/2", "packs/b/1", "generations/a"} {
			create(t, s, name, name)
		}
		if err := s.Remove(ctx, "packs/a/2"); err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(ctx, "packs/a/2"); err != nil {
			t.Errorf("Remove of nothing = %v", err)
		}
		want := []string{"packs/a/1 9", "packs/b/1 9"}
		if got := list(t, s, "packs/"); !slices.Equal(got, want) {
			t.Errorf("List = %q, want %q", got, want)
		}
		if got := list(t, s, "sessions/"); len(got) > 0 {
			t.Errorf("List of nothing = %q", got)
		}
	})
	t.Run("refuses names that lead elsewhere", func(t *testing.T) {
		s := open(t)
		for _, name := range []string{"", "../x", "/etc/x", "a/../../x", "a//b", "tmp/x"} {
			if err := s.Create(ctx, name, []byte("x")); err == nil {
				t.Errorf("Create(%q) succeeded", name)
			}
		}
	})
	t.Run("stops when told", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := s.Create(ctx, "packs/a/1", []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("Create = %v", err)
		}
	})
}

func list(t *testing.T, s Storage, prefix string) []string {
	t.Helper()
	var got []string
	err := s.List(context.Background(), prefix, func(name string, size int64) error {
		got = append(got, fmt.Sprint(name, " ", size))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func race(t *testing.T, s Storage) {
	var wg sync.WaitGroup
	won := make([]error, 16)
	for i := range won {
		wg.Go(func() {
			won[i] = s.Create(context.Background(), "generations/r", bytes.Repeat([]byte{byte(i)}, 1<<16))
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range won {
		switch {
		case err == nil && winner < 0:
			winner = i
		case !errors.Is(err, storage.ErrExists):
			t.Errorf("creator %d: %v beside winner %d", i, err, winner)
		}
	}
	p := make([]byte, 1<<16)
	if err := s.ReadAt(context.Background(), "generations/r", p, 0); err != nil || winner < 0 || p[0] != byte(winner) || p[len(p)-1] != byte(winner) {
		t.Errorf("content is of %d, winner is %d, %v", p[0], winner, err)
	}
}
