package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// A view is reopened after holdTime of steady use, so that a writer waits no
// longer than that, and kept open for a tenth of it after its last use, since the
// next use is often near. Where opening takes long, as that of a large index does,
// it is held ten times as long, up to mostHold: opening must not be most of what a
// reader does.
const (
	holdTime = 300 * time.Millisecond
	mostHold = 2 * time.Second
)

// Index is a repository's index on this host. It is safe for concurrent use
// by goroutines, and several Index of several processes may share a folder.
type Index struct {
	dir   string
	locks locks
	log   *slog.Logger

	mu     sync.Mutex // guards what follows; held while a database is opened
	free   *sync.Cond // on mu: users has become 0
	open   *database  // nil unless a view is open or lingers
	users  int
	closed bool
}

// database is Badger open read-only under the shared lock; db is nil where
// there is none yet.
type database struct {
	db      *badger.DB
	release func() error
	since   time.Time
	opening time.Duration // how long opening it took
	linger  *time.Timer
	bad     bool // reading it failed; guarded by the Index's mu
}

// Open returns the index in the folder dir, with lock files in the folder
// lockDir; both are made when missing. It opens no database. lockDir must not
// lie in dir: whoever deletes the index must not delete locks that are held.
func Open(dir, lockDir string, log *slog.Logger) (*Index, error) {
	for _, d := range []string{dir, lockDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open index: %w", err)
		}
	}
	x := &Index{dir: dir, locks: locks{lockDir}, log: log}
	x.free = sync.NewCond(&x.mu)
	return x, nil
}

// Dir is the folder of the database.
func (x *Index) Dir() string { return x.dir }

// Close waits for views to end and lets go of the database. That it may fail
// to is not worth an error: nothing of the index is.
func (x *Index) Close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	for x.users > 0 {
		x.free.Wait()
	}
	x.letGo()
}

// letGo closes the database; mu is held and nobody uses it.
func (x *Index) letGo() {
	d := x.open
	if d == nil {
		return
	}
	x.open = nil
	d.linger.Stop()
	if err := d.close(); err != nil {
		x.log.Debug("index: close failed", "err", err)
	}
}

// hold is how long the database may be kept open.
func (d *database) hold() time.Duration {
	return min(max(holdTime, 10*d.opening), mostHold)
}

func (d *database) close() error {
	var err error
	if d.db != nil {
		err = d.db.Close()
	}
	return errors.Join(err, d.release())
}

// acquire returns the open database, opening it when need be; each acquire
// wants a done.
func (x *Index) acquire(ctx context.Context) (*database, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.open != nil && (x.open.bad || time.Since(x.open.since) > x.open.hold()) {
		if x.users == 0 {
			x.letGo()
			break
		}
		x.free.Wait()
	}
	if x.closed {
		return nil, fmt.Errorf("read index: %w", fs.ErrClosed)
	}
	if x.open == nil {
		d, err := x.openShared(ctx)
		if err != nil {
			return nil, err
		}
		x.open = d
	}
	x.users++
	x.open.linger.Stop()
	return x.open, nil
}

func (x *Index) done() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.users--
	if x.users == 0 {
		x.free.Broadcast()
		if x.open != nil {
			x.open.linger.Reset(x.open.hold() / 10)
		}
	}
}

// lingered lets go of d unless somebody uses it again.
func (x *Index) lingered(d *database) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open == d && x.users == 0 {
		x.letGo()
	}
}

// openShared opens the database read-only. One that a killed writer left
// cannot be opened so; it is mended, or thrown away, first.
func (x *Index) openShared(ctx context.Context) (*database, error) {
	for mended := false; ; mended = true {
		release, err := x.locks.shared(ctx)
		if err != nil {
			return nil, fmt.Errorf("open index: %w", err)
		}
		began := time.Now()
		db, err := x.openReadOnly()
		if err == nil {
			d := &database{db: db, release: release, since: time.Now(), opening: time.Since(began)}
			d.linger = time.AfterFunc(time.Hour, func() { x.lingered(d) })
			return d, nil
		}
		if err := errors.Join(err, release()); mended {
			return nil, fmt.Errorf("open index: %w", err)
		}
		x.log.Debug("index: cannot be read, mending it", "err", err)
		if err := x.writeAlone(ctx, 0, func(*badger.DB) error { return nil }); err != nil {
			return nil, err
		}
	}
}

// openReadOnly returns nil where there is no database yet.
func (x *Index) openReadOnly() (*badger.DB, error) {
	if _, err := os.Stat(filepath.Join(x.dir, badger.ManifestFilename)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := openBadger(badgerOptions(x.dir, x.log).WithReadOnly(true))
	if err != nil {
		return nil, err
	}
	if err := checkLayout(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// letGoIdle closes a view that only lingers: its shared lock would make this
// process's own writer wait.
func (x *Index) letGoIdle() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.users == 0 {
		x.letGo()
	}
}

// writeAlone opens the database for writing, calls fn, and closes it, while
// nobody else has it open. A database that cannot be opened or written, as one
// that was deleted meanwhile, is thrown away and begun anew. grains is how many
// are to be added, for ErrNoSpace.
func (x *Index) writeAlone(ctx context.Context, grains int, fn func(*badger.DB) error) (err error) {
	release, err := x.locks.exclusive(ctx)
	if err != nil {
		return fmt.Errorf("lock index: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := x.checkRoom(grains); err != nil {
		return err
	}
	pause := retryWrite
	for range writeTries {
		if err = x.write(fn); err == nil || ctx.Err() != nil {
			return err
		}
		x.log.Warn("index is damaged: it is thrown away and rebuilt from the packs", "err", err)
		if err := x.wipe(); err != nil {
			return err
		}
		// Whoever deletes it may not be done.
		time.Sleep(pause)
		pause *= 2
	}
	return err
}

// A write to a damaged index is tried again on an empty one, so often and with
// such a pause, then twice it, and so on.
const (
	writeTries = 6
	retryWrite = 5 * time.Millisecond
)

func (x *Index) write(fn func(*badger.DB) error) error {
	db, err := x.openWritable()
	if err != nil {
		return fmt.Errorf("open index for writing: %w", err)
	}
	if err := fn(db); err != nil {
		return errors.Join(err, db.Close())
	}
	settle(db)
	if err := db.Close(); err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
}

func (x *Index) openWritable() (*badger.DB, error) {
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return nil, err
	}
	db, err := openBadger(badgerOptions(x.dir, x.log))
	if err != nil {
		return nil, err
	}
	if err := initLayout(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// wipe removes the database; the exclusive lock is held.
func (x *Index) wipe() error {
	entries, err := os.ReadDir(x.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("wipe index: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(x.dir, e.Name())); err != nil {
			return fmt.Errorf("wipe index: %w", err)
		}
	}
	return nil
}

// Reset throws the content away.
func (x *Index) Reset(ctx context.Context) error {
	x.letGoIdle()
	release, err := x.locks.exclusive(ctx)
	if err != nil {
		return fmt.Errorf("lock index: %w", err)
	}
	return errors.Join(x.wipe(), release())
}
