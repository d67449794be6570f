package repo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"granary/repo/format"
	"granary/repo/storage"
)

// recordCache keeps the records of one kind for good: they never change.
type recordCache[T any] struct {
	mu   sync.Mutex // guards seen; held while records are read
	seen map[format.SessionID]T
}

// readRecords lists the records below prefix, and reads those that it has not
// read before. One that cannot be read must not hide the others: it is in
// broken.
func readRecords[T any](ctx context.Context, r *Repo, c *recordCache[T], prefix string, read func(context.Context, format.SessionID) (T, error)) (records map[format.SessionID]T, broken []error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	records = map[format.SessionID]T{}
	err = r.store.List(ctx, prefix, func(name string, _ int64) error {
		session, err := format.ParseSessionID(strings.TrimPrefix(name, prefix))
		if err != nil {
			return nil // not ours
		}
		record, ok := c.seen[session]
		if !ok {
			if record, err = read(ctx, session); errors.Is(err, storage.ErrNotExist) {
				return nil
			} else if ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil {
				broken = append(broken, &DamageError{Object: name, Err: err})
				return nil
			}
		}
		records[session] = record
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", prefix, err)
	}
	c.seen = records
	return records, broken, nil
}
