package repo

import (
	"context"
	"sync"
	"sync/atomic"

	"granary/repo/format"
)

// lending lets the index remember the grains of packs that are not committed
// yet, so that memory need not. It lends those of all writers of a Repo at
// once: what a merge costs follows the size of the index, too.
type lending struct {
	grains  atomic.Int64 // written and not lent
	writers atomic.Int32 // the size of from

	mu   sync.Mutex // held while grains are lent; guards from
	from map[*uploader]struct{}
}

func (l *lending) begin(u *uploader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from[u] = struct{}{}
	l.writers.Add(1)
}

// end returns when nothing of u is being lent any more.
func (l *lending) end(u *uploader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.from, u)
	l.writers.Add(-1)
	l.grains.Add(-grainsOf(u.tables))
}

// lend is called when a pack was written. It lends what has gathered, if that
// is much.
func (r *Repo) lend(ctx context.Context) error {
	l, limit := &r.lending, int64(r.options.MergeGrains)
	if l.grains.Load() < limit {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grains.Load() < limit {
		return nil // another writer lent this one's, too
	}
	var all []format.PackTable
	taken := map[*uploader][]format.PackTable{}
	for u := range l.from {
		taken[u] = u.takeTables()
		all = append(all, taken[u]...)
	}
	err := r.currentIndex().Lend(ctx, all)
	for u, tables := range taken {
		if err != nil {
			u.keepTables(tables)
		} else {
			u.known.forget(tables)
			l.grains.Add(-grainsOf(tables))
		}
	}
	return err
}

func grainsOf(tables []format.PackTable) (n int64) {
	for _, t := range tables {
		n += int64(len(t.Entries))
	}
	return n
}
