package job

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoLimiterWaitsForNothing(t *testing.T) {
	if l := NewLimiter(0); l != nil {
		t.Fatal("no limit is a limiter")
	}
	var none *Limiter
	if err := none.Wait(t.Context(), 1<<30); err != nil {
		t.Error(err)
	}
}

// Whoever reads, and in whatever pieces, together they read at the rate.
func TestLimiterHoldsTheRate(t *testing.T) {
	for _, c := range []struct {
		name    string
		rate    int64
		readers int
		piece   int
	}{
		{"one reader", 1 << 20, 1, 64 << 10},
		{"four readers", 1 << 20, 4, 64 << 10},
		{"pieces larger than the burst", 10 << 20, 2, 50 << 20},
		{"a rate beyond the burst", 200 << 20, 1, 64 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(c.rate)
				began := time.Now()
				total := 20 * c.rate
				done := make(chan error)
				for range c.readers {
					go func() {
						var err error
						for left := total / int64(c.readers); left > 0 && err == nil; left -= int64(c.piece) {
							err = l.Wait(t.Context(), int(min(left, int64(c.piece))))
						}
						done <- err
					}()
				}
				for range c.readers {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				// The first burst is free.
				if took := time.Since(began); took < 19*time.Second || took > 20*time.Second+time.Second/10 {
					t.Errorf("20 seconds' worth took %s", took)
				}
			})
		})
	}
}

func TestLimiterEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewLimiter(1<<20).Wait(ctx, 1<<30); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
