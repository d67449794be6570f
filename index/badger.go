package index

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// badgerOptions suit small fixed values that can be made again: no compression, no
// caches, no value log, one fsync a merge.
func badgerOptions(dir string, log *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithMemTableSize(8 << 20).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithDetectConflicts(false).
		WithSyncWrites(false).
		WithNumVersionsToKeep(1).
		WithCompactL0OnClose(true).
		WithValueLogFileSize(16 << 20).
		WithMetricsEnabled(false).
		WithLogger(quiet{log})
}

// openBadger turns a panic of Badger over damaged files into an error.
func openBadger(o badger.Options) (db *badger.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("open database: %v", p)
		}
	}()
	return badger.Open(o)
}

var errLayout = errors.New("index has another layout")

func initLayout(db *badger.DB) error {
	err := checkLayout(db)
	if !errors.Is(err, badger.ErrKeyNotFound) {
		return err
	}
	empty := true
	err = db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{})
		defer it.Close()
		it.Rewind()
		empty = !it.Valid()
		return nil
	})
	if err != nil {
		return err
	}
	if !empty {
		return errLayout
	}
	return db.Update(func(txn *badger.Txn) error {
		return txn.Set([]byte{versionKey}, []byte{layoutVersion})
	})
}

func checkLayout(db *badger.DB) error {
	return db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte{versionKey})
		if err != nil {
			return err
		}
		return item.Value(func(v []byte) error {
			if len(v) != 1 || v[0] != layoutVersion {
				return errLayout
			}
			return nil
		})
	})
}

// quiet sends what Badger says to the debug log: to an operator it is noise,
// since no state of the index is an error.
type quiet struct{ log *slog.Logger }

func (q quiet) say(format string, args []any) {
	q.log.Debug("badger: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
func (q quiet) Errorf(format string, args ...any)   { q.say(format, args) }
func (q quiet) Warningf(format string, args ...any) { q.say(format, args) }
func (q quiet) Infof(format string, args ...any)    { q.say(format, args) }
func (q quiet) Debugf(string, ...any)               {}
