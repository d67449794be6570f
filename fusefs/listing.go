//go:build linux

package fusefs

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// refreshPatience is how long a request waits for a new list of generations
// before it is answered from the old one. A process that waits for a FUSE
// request cannot be killed, so a storage that hangs must not hold it.
const refreshPatience = 5 * time.Second

// listing keeps a catalogue that is read again, when it is asked for, once it
// has become too old.
type listing struct {
	source     Source
	maxAge     time.Duration
	complaints *complaints

	// life ends with close. Reading the list runs under it and not under a
	// request's context: who interrupts an ls must not fail another's.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex // guards what follows
	now    *catalogue
	taken  time.Time     // when reading now began, or last failed
	flight chan struct{} // closed when the reading under way ends; nil if none
	begun  time.Time     // when that began
}

// openListing reads the list for the first time.
func openListing(ctx context.Context, source Source, maxAge time.Duration, c *complaints) (*listing, error) {
	l := &listing{source: source, maxAge: maxAge, complaints: c, taken: time.Now()}
	l.life, l.end = context.WithCancel(context.Background())
	var err error
	if l.now, err = l.read(ctx, nil); err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

// close ends the reading under way, if any.
func (l *listing) close() {
	l.end()
	l.work.Wait()
}

// catalogue returns what there is, at most maxAge old unless the source does
// not answer.
func (l *listing) catalogue() *catalogue {
	l.mu.Lock()
	if time.Since(l.taken) < l.maxAge || l.life.Err() != nil {
		defer l.mu.Unlock()
		return l.now
	}
	if l.flight == nil {
		l.flight, l.begun = make(chan struct{}), time.Now()
		old, done := l.now, l.flight
		l.work.Go(func() { l.refresh(old, done) })
	}
	flight, patience := l.flight, refreshPatience-time.Since(l.begun)
	l.mu.Unlock()

	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-flight:
	case <-late.C:
		l.complaints.about("the list of generations", "repository does not answer; showing what was there", nil)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *listing) refresh(old *catalogue, done chan struct{}) {
	began := time.Now()
	c, err := l.read(l.life, old)
	if err != nil && l.life.Err() == nil {
		l.complaints.about("the list of generations", "repository cannot be read; showing what was there", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = began
	if err == nil {
		l.now = c
	} else {
		l.taken = time.Now() // a failure that took long is not repeated at once
	}
	l.flight = nil
	close(done)
}

func (l *listing) read(ctx context.Context, old *catalogue) (*catalogue, error) {
	list, err := l.source.Generations(ctx)
	if err != nil {
		return nil, err
	}
	for _, err := range list.Damaged {
		l.complaints.about(err.Error(), "a generation's record is damaged; without its manifest it is not shown, without its forget record it is", err)
	}
	stats, err := l.source.Stats(ctx)
	if err != nil {
		return nil, fmt.Errorf("sum up repository: %w", err)
	}
	return newCatalogue(list, stats, old), nil
}
