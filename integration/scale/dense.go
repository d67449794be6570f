//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// makeDense is the part "dense": DIR SIZE. It makes one generation with a disk
// of that size without holes. Its grains are few and come again and again, in an
// order that makes each node another.
func makeDense(ctx context.Context, args []string, _ io.Writer) error {
	bytes, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	m, err := newMaker(ctx, args[0])
	if err != nil {
		return err
	}
	w, err := newSession(m.dir, m.id)
	if err != nil {
		return err
	}
	few := make([]format.ID, 4096)
	for i := range few {
		few[i] = m.randomID()
		if err := w.grain(few[i], plainGrain); err != nil {
			return err
		}
	}
	s := shape{grains: 2 * bytes / plainGrain, vms: 1, generations: 1}
	disk := newTree(s.disk())
	for i := range s.disk() {
		disk.set(i, few[m.random.Uint64()%uint64(len(few))])
	}
	root, err := disk.update(w.node)
	if err != nil {
		return err
	}
	small := smallFiles(s.vm(0))
	for i := range small {
		small[i].Root = m.randomID()
		if err := w.grain(small[i].Root, int(small[i].Size)); err != nil {
			return err
		}
	}
	return w.commit(manifest(s, 0, 0, root, small))
}

// denseDisk measures the search for holes in a disk that has none.
func (b *bench) denseDisk(ctx context.Context) error {
	b.repo = filepath.Join(b.dir, "dense")
	if _, _, err := measure(ctx, b.self, "dense", b.repo, fmt.Sprint(b.dense)); err != nil {
		return err
	}
	b.heading("A disk of %s without holes", size(b.dense))
	if err := b.command(ctx, "`rebuild-index`", 1, "rebuild-index"); err != nil {
		return err
	}
	return b.part(ctx, "seek", b.repo)
}

// measureSeek is the part "seek": DIR. It finds the end of the data of a disk
// without holes.
func measureSeek(ctx context.Context, args []string, out io.Writer) error {
	r, err := repo.Open(ctx, args[0], nil)
	if err != nil {
		return err
	}
	defer r.Close()
	list, err := r.Generations(ctx)
	if err != nil {
		return err
	}
	g, err := list.Find(shape{}.vm(0))
	if err != nil {
		return err
	}
	f, err := r.OpenFile(g, g.VM+"-flat.vmdk")
	if err != nil {
		return err
	}
	for _, name := range []string{"find the first hole, which is its end", "find it again"} {
		began := time.Now()
		_, end, err := f.NextData(0)
		if err != nil || end != f.Size() {
			return errors.Join(err, fmt.Errorf("data ends at %d of %d", end, f.Size()))
		}
		if err := took(out, name, time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}
