package index

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/dgraph-io/badger/v4"

	"granary/repo/format"
)

// View is the index at one moment. It is valid inside the call that got it.
type View struct {
	txn   *badger.Txn // nil where there is no database yet
	key   []byte
	packs map[uint32]format.PackName

	asked  int                          // how often Has was
	merged map[format.PackName]struct{} // nil until it was asked often
}

func newView(txn *badger.Txn) *View {
	return &View{txn: txn, packs: map[uint32]format.PackName{}}
}

// View calls fn with the index as it is now. It waits for a merge that is
// under way. fn must call neither View nor Merge, and may be called again after
// it met a damaged database.
func (x *Index) View(ctx context.Context, fn func(*View) error) error {
	err := x.view(ctx, fn)
	if errors.Is(err, errFault) {
		x.log.Debug("index: opening it again", "err", err)
		err = x.view(ctx, fn)
	}
	return err
}

// errFault means that reading the database went wrong where Badger has no error
// for it.
var errFault = errors.New("index is damaged")

func (x *Index) view(ctx context.Context, fn func(*View) error) (err error) {
	d, err := x.acquire(ctx)
	if err != nil {
		return err
	}
	defer x.done()
	if d.db == nil {
		return fn(&View{})
	}
	// Badger panics over tables that changed under it, and memory that is
	// mapped from a file that was cut short faults.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errFault, p)
			x.mu.Lock()
			d.bad = true
			x.mu.Unlock()
		}
	}()
	txn := d.db.NewTransaction(false)
	defer txn.Discard()
	return fn(newView(txn))
}

// Find sets places[i] to where ids[i] lies, and to no place where the index
// does not know it or the ID is zero.
func (v *View) Find(ids []format.ID, places []Place) error {
	for i, id := range ids {
		places[i] = Place{}
		if id.IsZero() || v.txn == nil {
			continue
		}
		v.key = appendGrainKey(v.key[:0], id)
		item, err := v.txn.Get(v.key)
		if errors.Is(err, badger.ErrKeyNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read index: %w", err)
		}
		var number uint32
		err = item.Value(func(b []byte) (err error) {
			number, places[i], err = parsePlace(b)
			return err
		})
		if err == nil {
			places[i].Pack, err = v.packName(number)
		}
		if err != nil {
			return fmt.Errorf("read index: %w", err)
		}
	}
	return nil
}

func (v *View) packName(number uint32) (format.PackName, error) {
	if name, ok := v.packs[number]; ok {
		return name, nil
	}
	var name format.PackName
	item, err := v.txn.Get(appendNumberKey(nil, number))
	if err == nil {
		err = item.Value(func(b []byte) (err error) {
			name, err = parsePackName(b)
			return err
		})
	}
	if err != nil {
		return name, fmt.Errorf("name of pack %d: %w", number, err)
	}
	v.packs[number] = name
	return name, nil
}

// manyMarks is from how many questions on it is quicker to read all marks of
// merged packs than one for each question.
const manyMarks = 500

// Has tells whether the grains of a pack have been merged. Memory: about 50 bytes
// a merged pack, once it was asked often.
func (v *View) Has(pack format.PackName) (bool, error) {
	if v.txn == nil {
		return false, nil
	}
	if v.asked++; v.asked == manyMarks {
		if err := v.readMarks(); err != nil {
			return false, fmt.Errorf("read index: %w", err)
		}
	}
	if v.merged != nil {
		_, has := v.merged[pack]
		return has, nil
	}
	_, err := v.txn.Get(appendPackKey(nil, pack))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read index: %w", err)
	}
	return true, nil
}

func (v *View) readMarks() error {
	merged := map[format.PackName]struct{}{}
	it := v.txn.NewIterator(badger.IteratorOptions{Prefix: []byte{packKey}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		pack, err := parsePackName(it.Item().Key()[1:])
		if err != nil {
			return err
		}
		merged[pack] = struct{}{}
	}
	v.merged = merged
	return nil
}
