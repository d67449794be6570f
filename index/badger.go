package index

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"sync"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// badgerOptions suit small fixed values that can be made again: no compression, no
// caches, no value log, one fsync a merge. What a merge adds becomes a table of
// the first level; settle makes larger ones of several such.
func badgerOptions(dir string, to *slog.Logger) badger.Options {
	return badger.DefaultOptions(dir).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithMemTableSize(8 << 20).
		WithNumMemtables(2).
		WithNumCompactors(4).
		WithDetectConflicts(false).
		WithSyncWrites(false).
		WithNumVersionsToKeep(1).
		WithValueLogFileSize(16 << 20).
		WithMetricsEnabled(false).
		WithChecksumVerificationMode(options.OnBlockRead).
		WithLogger(quiet{to})
}

// opening guards the output of the standard logger while Badger opens.
var opening sync.Mutex

// fatal turns what Badger would say to the standard logger into a panic. It
// speaks there only to end the process, as when its folder is deleted while it
// is opened; no state of a cache is worth that.
type fatal struct{}

func (fatal) Write(said []byte) (int, error) { panic(strings.TrimSpace(string(said))) }

// openBadger opens a database; a panic over damaged files becomes an error.
func openBadger(o badger.Options) (db *badger.DB, err error) {
	if err := checkTables(o.Dir); err != nil {
		return nil, err
	}
	opening.Lock()
	defer opening.Unlock()
	output := log.Writer()
	log.SetOutput(fatal{})
	defer log.SetOutput(output)
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

// quiet sends Badger's complaints to the debug log, and nothing else: to an
// operator it is noise, since no state of the index is an error.
type quiet struct{ log *slog.Logger }

func (q quiet) say(format string, args []any) {
	q.log.Debug("badger: " + strings.TrimSpace(fmt.Sprintf(format, args...)))
}
func (q quiet) Errorf(format string, args ...any)   { q.say(format, args) }
func (q quiet) Warningf(format string, args ...any) { q.say(format, args) }
func (q quiet) Infof(string, ...any)                {}
func (q quiet) Debugf(string, ...any)               {}
