package retention

import (
	"errors"
	"fmt"
	"time"
)

// Policy says what to keep; each field that is not zero is a rule. The zero
// Policy keeps all.
type Policy struct {
	// Last is how many of the newest generations to keep.
	Last int
	// Hourly and the others are how many hours, days and so on to keep the
	// newest generation of.
	Hourly, Daily, Weekly, Monthly, Yearly int
	// Within keeps what is younger than that in comparison with the newest
	// generation.
	Within time.Duration
}

// Empty tells whether p has no rule.
func (p Policy) Empty() bool { return p == Policy{} }

// Check refuses numbers that are below zero.
func (p Policy) Check() error {
	var errs []error
	for _, r := range p.calendar() {
		if r.count < 0 {
			errs = append(errs, fmt.Errorf("keep %s: %d is less than none", r.name, r.count))
		}
	}
	if p.Within < 0 {
		errs = append(errs, fmt.Errorf("keep within: %v is less than none", p.Within))
	}
	return errors.Join(errs...)
}

// calendarRule keeps the newest generation of each of count buckets.
type calendarRule struct {
	name   string
	count  int
	bucket func(t time.Time) string // nil if each generation is its own
}

func (p Policy) calendar() []calendarRule {
	return []calendarRule{
		{"last", p.Last, nil},
		{"hourly", p.Hourly, hour},
		{"daily", p.Daily, layout("2006-01-02")},
		{"weekly", p.Weekly, week},
		{"monthly", p.Monthly, layout("2006-01")},
		{"yearly", p.Yearly, layout("2006")},
	}
}

func layout(layout string) func(time.Time) string {
	return func(t time.Time) string { return t.Format(layout) }
}

// hour tells the two hours apart that have one name when summer time ends.
func hour(t time.Time) string { return t.Format("2006-01-02 15h -0700") }

func week(t time.Time) string {
	year, number := t.ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, number)
}
