package index

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// retryLock is how often a held lock is tried again.
const retryLock = 3 * time.Millisecond

// locks are two lock files between processes. Readers share "index", the
// writer has it alone. "index.gate" is held by whoever waits, so that a writer
// does not starve: readers that come after it wait at the gate while those
// before it leave.
type locks struct{ dir string }

func (l locks) shared(ctx context.Context) (release func() error, err error) {
	return l.take(ctx, (*flock.Flock).TryRLockContext)
}

func (l locks) exclusive(ctx context.Context) (release func() error, err error) {
	return l.take(ctx, (*flock.Flock).TryLockContext)
}

type tryFunc func(*flock.Flock, context.Context, time.Duration) (bool, error)

func (l locks) take(ctx context.Context, try tryFunc) (func() error, error) {
	gate := flock.New(filepath.Join(l.dir, "index.gate"))
	if _, err := gate.TryLockContext(ctx, retryLock); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", gate.Path(), err)
	}
	// Close, not Unlock: the file must not stay open.
	defer gate.Close()
	lock := flock.New(filepath.Join(l.dir, "index"))
	if _, err := try(lock, ctx, retryLock); err != nil {
		return nil, fmt.Errorf("wait for %s: %w", lock.Path(), err)
	}
	return lock.Close, nil
}
