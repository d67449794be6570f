package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"granary/repo/format"
)

// Merge adds the grains of packs. Packs that are in already are passed over,
// so that two processes may merge the same ones. It returns ErrNoSpace, and
// changes nothing, where the disk is too full.
func (x *Index) Merge(ctx context.Context, packs []format.PackTable) error {
	if len(packs) == 0 {
		return nil
	}
	grains := 0
	for _, t := range packs {
		grains += len(t.Entries)
	}
	x.letGoIdle()
	return x.writeAlone(ctx, grains, func(db *badger.DB) error {
		fresh, next, err := unmerged(db, packs)
		if err != nil {
			return fmt.Errorf("merge into index: %w", err)
		}
		// Patches first: what comes later wins.
		slices.SortStableFunc(fresh, func(a, b format.PackTable) int { return cmp.Compare(b.Kind, a.Kind) })
		batch := db.NewWriteBatch()
		defer batch.Cancel()
		for i, t := range fresh {
			if err := addPack(db, batch, next+uint32(i), t); err != nil {
				return fmt.Errorf("merge %s into index: %w", t.Name, err)
			}
		}
		if err := batch.Flush(); err != nil {
			return fmt.Errorf("merge into index: %w", err)
		}
		return db.Sync()
	})
}

// Lend adds the grains of packs whose session has not committed, for as long
// as it may take: what is known already stays, and Merge takes the packs for
// new ones. It returns ErrNoSpace as Merge does.
func (x *Index) Lend(ctx context.Context, packs []format.PackTable) error {
	grains := 0
	for _, t := range packs {
		grains += len(t.Entries)
	}
	x.letGoIdle()
	return x.writeAlone(ctx, grains, func(db *badger.DB) error {
		_, next, err := unmerged(db, nil)
		if err != nil {
			return fmt.Errorf("lend to index: %w", err)
		}
		batch := db.NewWriteBatch()
		defer batch.Cancel()
		for i, t := range packs {
			if err := lendPack(db, batch, next+uint32(i), t); err != nil {
				return fmt.Errorf("lend %s to index: %w", t.Name, err)
			}
		}
		if err := batch.Flush(); err != nil {
			return fmt.Errorf("lend to index: %w", err)
		}
		return nil
	})
}

func lendPack(db *badger.DB, batch *badger.WriteBatch, number uint32, t format.PackTable) error {
	if err := batch.Set(appendNumberKey(nil, number), appendPackName(nil, t.Name)); err != nil {
		return err
	}
	return db.View(func(txn *badger.Txn) error {
		for i, p := range Places(t) {
			key := appendGrainKey(nil, t.Entries[i].ID)
			if _, err := txn.Get(key); err == nil {
				continue
			} else if !errors.Is(err, badger.ErrKeyNotFound) {
				return err
			}
			if err := batch.Set(key, appendPlace(nil, number, p)); err != nil {
				return err
			}
		}
		return nil
	})
}

// unmerged returns the packs that db lacks, and the next free pack number.
func unmerged(db *badger.DB, packs []format.PackTable) (fresh []format.PackTable, next uint32, err error) {
	err = db.View(func(txn *badger.Txn) error {
		v := newView(txn)
		for _, t := range packs {
			has, err := v.Has(t.Name)
			if err != nil {
				return err
			}
			if !has {
				fresh = append(fresh, t)
			}
		}
		it := txn.NewIterator(badger.IteratorOptions{Reverse: true, Prefix: []byte{numberKey}})
		defer it.Close()
		it.Seek(appendNumberKey(nil, ^uint32(0)))
		if it.Valid() {
			next = be.Uint32(it.Item().Key()[1:]) + 1
		}
		return nil
	})
	return fresh, next, err
}

// addPack writes the grains first and the mark that the pack is merged last:
// should only a part survive a crash, the pack is merged again.
func addPack(db *badger.DB, batch *badger.WriteBatch, number uint32, t format.PackTable) error {
	if err := batch.Set(appendNumberKey(nil, number), appendPackName(nil, t.Name)); err != nil {
		return err
	}
	whole := make([]bool, len(t.Entries))
	if t.Kind == format.Patches {
		if err := findWhole(db, t, whole); err != nil {
			return err
		}
	}
	for i, p := range Places(t) {
		if whole[i] {
			continue
		}
		if err := batch.Set(appendGrainKey(nil, t.Entries[i].ID), appendPlace(nil, number, p)); err != nil {
			return err
		}
	}
	return batch.Set(appendPackKey(nil, t.Name), be.AppendUint32(nil, number))
}

// findWhole sets whole[i] where the i-th grain of a pack of patches lies whole in
// a merged pack: a patch must not hide the base of another.
func findWhole(db *badger.DB, t format.PackTable, whole []bool) error {
	return db.View(func(txn *badger.Txn) error {
		v := newView(txn)
		ids := make([]format.ID, len(t.Entries))
		for i, e := range t.Entries {
			ids[i] = e.ID
		}
		places := make([]Place, len(ids))
		if err := v.Find(ids, places); err != nil {
			return err
		}
		merged := map[format.PackName]bool{}
		for i, p := range places {
			if p.IsZero() || p.IsPatch() {
				continue
			}
			has, known := merged[p.Pack]
			if !known {
				var err error
				if has, err = v.Has(p.Pack); err != nil {
					return err
				}
				merged[p.Pack] = has
			}
			whole[i] = has
		}
		return nil
	})
}
