package index

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/ristretto/v2/z"

	"granary/repo/format"
)

// Build throws the content away and makes it anew of packs, of which it ends
// with the first error. grains is about how many these have. It returns
// ErrNoSpace, and leaves the index empty, where the disk is too full.
//
// The time follows the number of grains, where that of as many Merges follows
// it times its logarithm: grains are sorted, and each is written once, into
// tables that need no tidying up. Memory: about 100 MiB, and 20 bytes a pack.
func (x *Index) Build(ctx context.Context, grains int, packs iter.Seq2[format.PackTable, error]) (err error) {
	x.letGoIdle()
	release, err := x.locks.exclusive(ctx)
	if err != nil {
		return fmt.Errorf("lock index: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := x.wipe(); err != nil {
		return err
	}
	if err := x.checkRoom(grains); err != nil {
		return err
	}
	if err := x.build(ctx, grains, packs); err != nil {
		return fmt.Errorf("build index: %w", errors.Join(err, x.wipe()))
	}
	return nil
}

func (x *Index) build(ctx context.Context, grains int, packs iter.Seq2[format.PackTable, error]) (err error) {
	s, err := newSpool(x.dir, grains)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var names []format.PackName
	for t, err := range packs {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for i, p := range Places(t) {
			if err := s.add(t.Entries[i].ID, appendPlace(nil, uint32(len(names)), p)); err != nil {
				return err
			}
		}
		names = append(names, t.Name)
	}
	db, err := openBadger(badgerOptions(x.dir, x.log).WithBaseTableSize(buildTable))
	if err != nil {
		return err
	}
	err = writeSorted(ctx, db, s)
	if err == nil {
		err = nameAll(db, names) // last: a part that a crash leaves is thrown away
	}
	return errors.Join(err, db.Close())
}

const (
	// buildTable makes tables of 16 MiB: 32 times as much is on the last level.
	buildTable = 512 << 10
	// buildWrite is how much is handed to Badger at once, in bytes.
	buildWrite = 1 << 20
)

// writeSorted writes the grains as tables of the last level.
func writeSorted(ctx context.Context, db *badger.DB, s *spool) error {
	w := db.NewStreamWriter()
	defer w.Cancel()
	if err := w.Prepare(); err != nil {
		return err
	}
	buf := z.NewBuffer(2*buildWrite, "granary")
	defer func() { _ = buf.Release() }() // memory only
	for g, err := range s.sorted() {
		if err != nil {
			return err
		}
		badger.KVToBuffer(&pb.KV{Key: append([]byte{grainKey}, g.id...), Value: g.value, Version: 1}, buf)
		if buf.LenNoPadding() < buildWrite {
			continue
		}
		if err := errors.Join(w.Write(buf), ctx.Err()); err != nil {
			return err
		}
		buf.Reset()
	}
	if err := w.Write(buf); err != nil {
		return err
	}
	return w.Flush()
}

// nameAll writes the numbers and marks of the packs, and the layout's version.
func nameAll(db *badger.DB, names []format.PackName) error {
	batch := db.NewWriteBatch()
	defer batch.Cancel()
	err := batch.Set([]byte{versionKey}, []byte{layoutVersion})
	for i, name := range names {
		number := uint32(i)
		err = errors.Join(err, batch.Set(appendNumberKey(nil, number), appendPackName(nil, name)),
			batch.Set(appendPackKey(nil, name), be.AppendUint32(nil, number)))
	}
	if err := errors.Join(err, batch.Flush()); err != nil {
		return err
	}
	return db.Sync()
}
