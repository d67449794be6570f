package job

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"
)

// Limiter bounds how many bytes a second all captures that share it read. A nil
// one bounds nothing. It is safe for concurrent use.
type Limiter struct{ rate *rate.Limiter }

// maxBurst bounds what may be read at once, in bytes: captures that share a
// limiter take turns after that much.
const maxBurst = 4 << 20

// NewLimiter bounds reading to bytes a second; 0 is no limit, and nil.
func NewLimiter(bytesPerSecond int64) *Limiter {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &Limiter{rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(bytesPerSecond, maxBurst)))}
}

// Wait returns when n more bytes may be read, or with an error when ctx ends
// before.
func (l *Limiter) Wait(ctx context.Context, n int) error {
	if l == nil {
		return nil
	}
	for n > 0 {
		part := min(n, l.rate.Burst())
		if err := l.rate.WaitN(ctx, part); err != nil {
			return fmt.Errorf("wait for the read bandwidth: %w", err)
		}
		n -= part
	}
	return nil
}
