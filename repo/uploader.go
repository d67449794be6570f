package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"granary/repo/direct"
	"granary/repo/format"
)

// uploader writes sealed packs beside the pipeline that fills others, and
// keeps their tables until they are lent to the index or merged into it.
type uploader struct {
	repo    *Repo
	known   *knownGrains
	queue   chan *packer
	buffers [format.Patches + 1]buffers[[]byte] // to fill, by kind
	workers sync.WaitGroup
	stop    context.CancelFunc
	once    sync.Once

	mu      sync.Mutex // guards what follows
	done    *sync.Cond // on mu: pending has become 0
	pending int        // packs sent and not yet written
	packs   []format.ManifestPack
	plain   int64
	tables  []format.PackTable // written and not lent
	lent    bool               // others were, or lending them failed
	err     error              // sticky
}

// uploaders is the number of packs written at once: one that waits for its
// fsync and one that is on its way.
const uploaders = 2

func newUploader(r *Repo, known *knownGrains) *uploader {
	u := &uploader{repo: r, known: known, queue: make(chan *packer)}
	u.done = sync.NewCond(&u.mu)
	for kind := range u.buffers {
		u.buffers[kind] = buffers[[]byte]{own: newBuffers[[]byte](1), shared: r.packs}
	}
	// Not the caller's context: a pack is written whole or not at all, and
	// Close waits for the rest.
	ctx, stop := context.WithCancel(context.Background())
	u.stop = stop
	r.lending.begin(u)
	for range uploaders {
		u.workers.Go(func() { u.run(ctx) })
	}
	return u
}

// buffer waits for one of the few buffers, so that memory stays bounded when
// storage is slow.
func (u *uploader) buffer(ctx context.Context, kind format.PackKind) (loan[[]byte], error) {
	l, err := u.buffers[kind].borrow(ctx)
	if err == nil && kind == format.Data && l.buffer == nil {
		// At once, with room for a table: growing would leave much behind.
		l.buffer = direct.Buffer(u.repo.packBytes() + 64<<10)
	}
	return l, err
}

func (u *uploader) send(ctx context.Context, p *packer) error {
	u.mu.Lock()
	err := u.err
	if err == nil {
		u.pending++
	}
	u.mu.Unlock()
	if err != nil {
		p.giveBack()
		return err
	}
	select {
	case u.queue <- p:
		return nil
	case <-ctx.Done():
		u.finish(p, ctx.Err())
		return ctx.Err()
	}
}

func (u *uploader) run(ctx context.Context) {
	for p := range u.queue {
		err := ctx.Err()
		if err == nil {
			err = u.repo.store.Create(ctx, p.table.Name.String(), p.buf)
		}
		if err != nil {
			err = fmt.Errorf("write pack: %w", err)
		}
		u.finish(p, err)
		if err := u.repo.lend(ctx); err != nil {
			u.repo.log.Debug("merge into index put off", "err", err)
		}
	}
}

// finish notes a pack as written, or the session as dead.
func (u *uploader) finish(p *packer, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		u.err = errors.Join(u.err, err)
	} else {
		u.packs = append(u.packs, p.manifest())
		u.plain += p.plain
		u.tables = append(u.tables, p.table)
		u.repo.lending.grains.Add(int64(len(p.table.Entries)))
	}
	p.giveBack()
	u.pending--
	if u.pending == 0 {
		u.done.Broadcast()
	}
}

// wait returns when each pack sent is durable, or with the first error.
func (u *uploader) wait(ctx context.Context) error {
	wake := context.AfterFunc(ctx, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.done.Broadcast()
	})
	defer wake()
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.pending > 0 && ctx.Err() == nil {
		u.done.Wait()
	}
	return errors.Join(u.err, ctx.Err())
}

// takeTables hands over the tables of the packs written since it was last
// called.
func (u *uploader) takeTables() []format.PackTable {
	u.mu.Lock()
	defer u.mu.Unlock()
	tables := u.tables
	u.tables, u.lent = nil, u.lent || len(tables) > 0
	return tables
}

// keepTables takes back tables that could not be lent.
func (u *uploader) keepTables(tables []format.PackTable) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tables = append(u.tables, tables...)
}

// mergeCommitted adds the packs of a committed session to the index.
func (u *uploader) mergeCommitted(ctx context.Context) error {
	if u.lent {
		return u.repo.refresh(ctx) // reads their tables again
	}
	_, err := u.repo.mergeIndex(ctx, u.tables)
	return err
}

func (u *uploader) written() (packs []format.ManifestPack, plain, stored int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	packs = slices.Clone(u.packs)
	slices.SortFunc(packs, func(a, b format.ManifestPack) int { return int(int64(a.Number) - int64(b.Number)) })
	for _, p := range packs {
		stored += int64(p.Size)
	}
	return packs, u.plain, stored
}

// close lets the workers finish the pack that they write, and waits.
func (u *uploader) close() error {
	u.once.Do(func() {
		u.stop()
		close(u.queue)
		u.workers.Wait()
		u.repo.lending.end(u)
	})
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
