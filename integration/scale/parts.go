//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"granary/index"
	"granary/repo"
	"granary/repo/format"
)

func openIndex(dir string) (*index.Index, error) {
	return index.Open(filepath.Join(dir, "index"), filepath.Join(dir, "locks"), slog.New(slog.DiscardHandler))
}

// measureIndex is the part "index": DIR. It opens the index, and looks up leaves
// of 256 grains that were captured side by side.
func measureIndex(ctx context.Context, args []string, out io.Writer) error {
	leaves, err := someLeaves(ctx, args[0], 200)
	if err != nil {
		return err
	}
	for range 10 {
		x, err := openIndex(args[0])
		if err != nil {
			return err
		}
		began := time.Now()
		err = x.View(ctx, func(*index.View) error { return nil })
		d := time.Since(began)
		x.Close()
		if err != nil {
			return err
		}
		if err := took(out, "open the index", d); err != nil {
			return err
		}
	}
	x, err := openIndex(args[0])
	if err != nil {
		return err
	}
	defer x.Close()
	random := rand.NewChaCha8([32]byte{1})
	return x.View(ctx, func(v *index.View) error {
		places := make([]index.Place, format.Fanout)
		for _, leaf := range leaves {
			began := time.Now()
			if err := v.Find(leaf, places); err != nil {
				return err
			}
			hit := time.Since(began)
			for i, p := range places {
				if p.IsZero() {
					return fmt.Errorf("grain %s has no place", leaf[i])
				}
			}
			for i := range leaf {
				_, _ = random.Read(leaf[i][:])
			}
			began = time.Now()
			if err := v.Find(leaf, places); err != nil {
				return err
			}
			if err := took(out, "look up a leaf's 256 grains that are there", hit); err != nil {
				return err
			}
			if err := took(out, "look up 256 grains that are not", time.Since(began)); err != nil {
				return err
			}
		}
		return nil
	})
}

// someLeaves gives the IDs of grains that lie side by side in packs.
func someLeaves(ctx context.Context, dir string, count int) (leaves [][]format.ID, err error) {
	r, err := repo.Open(ctx, dir, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, format.ConfigName))
	if err != nil {
		return nil, err
	}
	config, err := format.ParseConfig(b)
	if err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(1, 1))
	for len(leaves) < count {
		g := list.Generations[random.IntN(len(list.Generations))]
		p := g.Packs[random.IntN(len(g.Packs))]
		if p.Kind != format.Data || p.Entries < format.Fanout {
			continue
		}
		t, err := readTable(dir, config, format.PackName{Session: g.Session, Number: p.Number}, p)
		if err != nil {
			return nil, err
		}
		var leaf []format.ID
		for _, e := range t.Entries[:format.Fanout] {
			leaf = append(leaf, e.ID)
		}
		leaves = append(leaves, leaf)
	}
	return leaves, nil
}

func readTable(dir string, config format.Config, name format.PackName, p format.ManifestPack) (format.PackTable, error) {
	f, err := os.Open(filepath.Join(dir, name.String()))
	if err != nil {
		return format.PackTable{}, err
	}
	defer f.Close()
	header, tail := make([]byte, format.PackHeaderSize), make([]byte, format.TableSize(p.Kind, int(p.Entries)))
	if _, err := f.ReadAt(header, 0); err != nil {
		return format.PackTable{}, err
	}
	if _, err := f.ReadAt(tail, int64(p.Size)-int64(len(tail))); err != nil {
		return format.PackTable{}, err
	}
	return format.ParseTable(name, config.Repo, config.Grain, int64(p.Size), header, tail)
}

// measureMerge is the part "merge": DIR. It adds what captures of 160 MiB of
// new data would add, again and again, since a few of many merges have to tidy up.
func measureMerge(ctx context.Context, args []string, out io.Writer) error {
	x, err := openIndex(args[0])
	if err != nil {
		return err
	}
	defer x.Close()
	random := rand.NewChaCha8([32]byte{2})
	for range 60 {
		var tables []format.PackTable
		session := format.NewSessionID()
		for number := range uint32(5) {
			t := format.PackTable{Name: format.PackName{Session: session, Number: number + 1}, Kind: format.Data}
			for range packGrains {
				e := format.Entry{Stored: storedGrain, Plain: plainGrain, Encoding: format.Zstd}
				_, _ = random.Read(e.ID[:])
				t.Entries = append(t.Entries, e)
			}
			tables = append(tables, t)
		}
		began := time.Now()
		if err := x.Merge(ctx, tables); err != nil {
			return err
		}
		if err := took(out, "merge a capture of 2,560 new grains", time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}

// measureSession is the part "session": DIR. It begins sessions, as each capture
// does before it reads anything.
func measureSession(ctx context.Context, args []string, out io.Writer) error {
	for range 3 {
		began := time.Now()
		r, err := repo.Open(ctx, args[0], nil)
		if err != nil {
			return err
		}
		w, err := r.NewWriter(ctx, "scale", "measure")
		if err != nil {
			r.Close()
			return err
		}
		d := time.Since(began)
		if err := w.Close(); err != nil {
			return err
		}
		if err := r.Close(); err != nil {
			return err
		}
		if err := took(out, "open the repository and begin a session", d); err != nil {
			return err
		}
	}
	return nil
}
