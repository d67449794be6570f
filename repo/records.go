package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"granary/repo/format"
	"granary/repo/storage"
)

// listed is an object that a list named.
type listed struct {
	session format.SessionID
	size    int64
}

// recordReaders is how many records are read at once: each is small, and most of
// the time is spent waiting for the storage.
const recordReaders = 16

// recordCache keeps the records of one kind for good: they never change.
type recordCache[T any] struct {
	mu   sync.Mutex // guards seen; held while records are read
	seen map[format.SessionID]T
}

// readRecords lists the records below prefix, and reads those that it has not
// read before. One that cannot be read must not hide the others: it is in
// broken.
func readRecords[T any](ctx context.Context, r *Repo, c *recordCache[T], prefix string, parse func(format.SessionID, format.RepoID, []byte) (T, error)) (records map[format.SessionID]T, broken []error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []listed
	err = r.store.List(ctx, prefix, func(name string, size int64) error {
		if session, err := format.ParseSessionID(strings.TrimPrefix(name, prefix)); err == nil { // else it is not ours
			all = append(all, listed{session, size})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", prefix, err)
	}
	found, failed := make([]T, len(all)), make([]error, len(all))
	var readers errgroup.Group
	readers.SetLimit(recordReaders)
	for i, l := range all {
		var seen bool
		if found[i], seen = c.seen[l.session]; !seen {
			readers.Go(func() error {
				var b []byte
				if b, failed[i] = r.readListed(ctx, prefix+l.session.String(), l.size); failed[i] == nil {
					found[i], failed[i] = parse(l.session, r.config.Repo, b)
				}
				return ctx.Err()
			})
		}
	}
	if err := readers.Wait(); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", prefix, err)
	}
	records = make(map[format.SessionID]T, len(all))
	for i, l := range all {
		switch err := failed[i]; {
		case err == nil:
			records[l.session] = found[i]
		case !errors.Is(err, storage.ErrNotExist): // else it went meanwhile
			broken = append(broken, &DamageError{Object: prefix + l.session.String(), Err: err})
		}
	}
	c.seen = records
	return records, broken, nil
}

// readListed reads a record whose size is known: an object never changes.
func (r *Repo) readListed(ctx context.Context, name string, size int64) ([]byte, error) {
	if size > format.MaxRecord {
		return nil, fmt.Errorf("%s: %w: %d bytes, more than %d", name, format.ErrCorrupt, size, format.MaxRecord)
	}
	b := make([]byte, size)
	return b, r.store.ReadAt(ctx, name, b, 0)
}
