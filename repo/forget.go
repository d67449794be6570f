package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"granary/repo/format"
	"granary/repo/storage"
)

// Forget takes a generation out of Generations, durably and for good. reason
// says by which rule or for whom, as "keep daily 7": up to 1,000 bytes of UTF-8
// without control characters. What the generation holds stays readable to who
// has it open, and keeps its space, until a prune.
//
// To forget a generation again does nothing. Forget returns ErrNotFound for
// one that is not there, and a DamageError where an earlier forget record
// cannot be read.
func (r *Repo) Forget(ctx context.Context, g *Generation, reason string) error {
	if err := r.forget(ctx, g.Session, reason); err != nil {
		return fmt.Errorf("forget %s: %w", g, err)
	}
	return nil
}

func (r *Repo) forget(ctx context.Context, session format.SessionID, reason string) error {
	record, err := format.Forget{Session: session, Time: time.Now().UnixNano(), Reason: reason}.Marshal(r.config.Repo)
	if err != nil {
		return err
	}
	m, err := r.readManifest(ctx, session)
	if errors.Is(err, storage.ErrNotExist) || err == nil && m == nil {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	err = r.store.Create(ctx, format.ForgetName(session), record)
	if !errors.Is(err, storage.ErrExists) {
		return err
	}
	if _, err := r.readForget(ctx, session); damaged(err) {
		return &DamageError{Object: format.ForgetName(session), Err: err}
	} else if err != nil {
		return err
	}
	return nil
}

func (r *Repo) readForget(ctx context.Context, session format.SessionID) (format.Forget, error) {
	b, err := r.readWhole(ctx, format.ForgetName(session), format.MaxRecord)
	if err != nil {
		return format.Forget{}, err
	}
	return format.ParseForget(session, r.config.Repo, b)
}
