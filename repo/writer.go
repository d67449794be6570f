package repo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"granary/repo/format"
	"granary/repo/storage"
)

// Writer is a session that writes one generation: Add its files, one after
// the other, then Commit. It is not safe for concurrent use. Close it, also
// after Commit. After an error it is dead for good: grains that it had taken on
// may never have been stored.
type Writer struct {
	repo    *Repo
	id      format.SessionID
	started time.Time
	known   *knownGrains

	packers [format.Patches + 1]*packer
	numbers uint32
	put     *uploader
	batches buffers[*batch]

	readBytes int64
	dead      error // why nothing more can be added or committed
	committed bool  // or it cannot be told: then its packs stay
	closed    bool
}

// NewWriter begins a session. purpose is for people who look at sessions that
// are open, as "capture web".
func (r *Repo) NewWriter(ctx context.Context, program, purpose string) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		r.log.Debug("host name is unknown", "err", err)
	}
	w := &Writer{repo: r, id: format.NewSessionID(), started: time.Now()}
	session := format.Session{ID: w.id, Started: w.started.UnixNano(), PID: uint32(os.Getpid()), Host: host, Program: program, Purpose: purpose}
	b, err := session.Marshal(r.config.Repo)
	if err != nil {
		return nil, err
	}
	// Before the packs are listed: a prune that begins later sees us and
	// waits, one that began earlier has condemned packs that we then see.
	if err := r.store.Create(ctx, format.SessionName(w.id), b); err != nil {
		// An answer that was lost may have left it.
		return nil, errors.Join(fmt.Errorf("begin session: %w", err), w.endSession())
	}
	if err := r.refresh(ctx); err != nil {
		return nil, errors.Join(err, w.endSession())
	}
	if w.known, err = r.newKnownGrains(ctx); err != nil {
		return nil, errors.Join(err, w.endSession())
	}
	w.put = newUploader(r, w.known)
	w.batches = buffers[*batch]{own: newBuffers[*batch](ownBatches), shared: r.batches}
	return w, nil
}

// ID is the session's ID.
func (w *Writer) ID() format.SessionID { return w.id }

// store adds a grain to the pack that is being filled.
func (w *Writer) store(ctx context.Context, kind format.PackKind, e format.Entry, stored []byte) error {
	p := w.packers[kind]
	if p != nil && p.full(len(stored), w.repo.packBytes()) {
		if err := w.flush(ctx, kind); err != nil {
			return err
		}
		p = nil
	}
	if p == nil {
		w.numbers++
		name := format.PackName{Session: w.id, Number: w.numbers}
		buffer, err := w.put.buffer(ctx, kind)
		if err != nil {
			return err
		}
		p = newPacker(w.repo.config.Repo, name, kind, buffer)
		w.packers[kind] = p
	}
	p.add(e, stored)
	return nil
}

// packBytes is the payload at which a pack is closed. Each writer fills one of
// its own, so that where several are at work they take half as much.
func (r *Repo) packBytes() int {
	if r.lending.writers.Load() > 1 {
		return r.options.PackBytes / 2
	}
	return r.options.PackBytes
}

// flush seals the pack that is being filled, and hands it on to be written.
func (w *Writer) flush(ctx context.Context, kind format.PackKind) error {
	p := w.packers[kind]
	if p == nil {
		return nil
	}
	w.packers[kind] = nil
	if err := p.seal(w.repo.config.Repo, w.repo.config.Grain); err != nil {
		p.giveBack()
		return err
	}
	return w.put.send(ctx, p)
}

// Commit makes the generation that m describes. It fills in the session, the
// name's suffix, the sizes and the packs. When it returns nil the generation
// is durable. After ErrRevoked there is none.
func (w *Writer) Commit(ctx context.Context, m *format.Manifest) (*Generation, error) {
	if w.dead != nil {
		return nil, fmt.Errorf("commit generation: %w", w.dead)
	}
	w.dead = errEnded
	g, err := w.commit(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("commit generation: %w", err)
	}
	return g, nil
}

// errEnded is why a session takes no more after Commit or Close.
var errEnded = errors.New("the session has ended")

func (w *Writer) commit(ctx context.Context, m *format.Manifest) (*Generation, error) {
	for _, kind := range []format.PackKind{format.Data, format.Patches, format.Nodes} {
		if err := w.flush(ctx, kind); err != nil {
			return nil, err
		}
	}
	if err := w.put.wait(ctx); err != nil {
		return nil, err
	}
	m.Session = w.id
	m.Started = w.started.UnixNano()
	m.Packs, m.NewBytes, m.StoredBytes = w.put.written()
	m.ReadBytes = w.readBytes
	if err := w.name(ctx, m); err != nil {
		return nil, err
	}
	m.Finished = time.Now().UnixNano()
	b, err := m.Marshal(w.repo.config.Repo)
	if err != nil {
		return nil, err
	}
	w.committed = true
	if err := w.repo.store.Create(ctx, format.ManifestName(w.id), b); err != nil {
		if err := w.settle(err, b); err != nil {
			return nil, err
		}
	}
	return &Generation{Manifest: m, Name: m.Generation()}, nil
}

// settle finds out what became of a manifest whose creation failed: the answer
// alone may have been lost.
func (w *Writer) settle(failed error, manifest []byte) error {
	stored, err := w.repo.readWhole(context.Background(), format.ManifestName(w.id), format.MaxRecord)
	switch {
	case errors.Is(err, storage.ErrNotExist):
		w.committed = false
		return failed
	case err != nil:
		return errors.Join(failed, err)
	case bytes.Equal(stored, manifest):
		return nil
	}
	w.committed = false
	return ErrRevoked
}

// name gives m a suffix if its VM has a generation of the same second.
func (w *Writer) name(ctx context.Context, m *format.Manifest) error {
	list, err := w.repo.Generations(ctx)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, g := range list.all() {
		if g.VM == m.VM {
			taken[g.Name] = true
		}
	}
	m.Suffix = 0
	for n := uint16(2); taken[m.Generation()]; n++ {
		m.Suffix = n
	}
	return nil
}

// Close ends the session. One that was committed adds its grains to the index,
// late, since a VM may wait for what comes after Commit. One that was not
// removes its packs: no other session refers to packs of one that has not
// committed.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	w.dead = errEnded
	for _, p := range w.packers {
		if p != nil {
			p.giveBack()
		}
	}
	err := w.put.close()
	if w.committed {
		if err := w.put.mergeCommitted(context.Background()); err != nil {
			// Whoever opens the repository next makes up for it.
			w.repo.log.Debug("merge into index put off", "err", err)
		}
	}
	if !w.committed {
		err = nil // Add or Commit reported it
		// Also those whose creation failed: an answer may have been lost.
		for n := uint32(1); n <= w.numbers; n++ {
			name := format.PackName{Session: w.id, Number: n}
			err = errors.Join(err, w.repo.store.Remove(context.Background(), name.String()))
		}
	}
	return errors.Join(err, w.endSession())
}

func (w *Writer) endSession() error {
	return w.repo.store.Remove(context.Background(), format.SessionName(w.id))
}
