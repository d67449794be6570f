//go:build linux

package fusefs

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// firstPause is how long a subject that was complained about is kept
	// quiet; it doubles each time, up to lastPause.
	firstPause = time.Minute
	lastPause  = 24 * time.Hour
	// maxSubjects bounds what is remembered.
	maxSubjects = 1000
)

// complaints logs failures, those of one subject now and then only: a program
// that reads on over a damaged disk fails thousands of times.
type complaints struct {
	log *slog.Logger

	mu       sync.Mutex // guards subjects
	subjects map[string]*subject
}

// subject is what failed before.
type subject struct {
	quiet   time.Time // until then
	pause   time.Duration
	dropped int // since it was last logged
}

func newComplaints(log *slog.Logger) *complaints {
	return &complaints{log: log, subjects: map[string]*subject{}}
}

// about logs text, err and args, unless the subject has just been logged.
func (c *complaints) about(name, text string, err error, args ...any) {
	dropped, quiet := c.hush(name)
	if quiet {
		return
	}
	if err != nil {
		args = append(args, "err", err)
	}
	if dropped > 0 {
		args = append(args, "repeated", dropped)
	}
	c.log.Error(text, args...)
}

// hush tells whether the subject is to be kept quiet, and else how often it
// was since it was last logged.
func (c *complaints) hush(name string) (dropped int, quiet bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.subjects[name]
	if s == nil {
		if len(c.subjects) >= maxSubjects {
			clear(c.subjects)
		}
		c.subjects[name] = &subject{quiet: now.Add(firstPause), pause: firstPause}
		return 0, false
	}
	if now.Before(s.quiet) {
		s.dropped++
		return 0, true
	}
	dropped, s.dropped = s.dropped, 0
	s.pause = min(2*s.pause, lastPause)
	s.quiet = now.Add(s.pause)
	return dropped, false
}
