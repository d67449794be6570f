package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Candidate is a generation to decide on.
type Candidate struct {
	Name string
	Time time.Time // when its disks were frozen
	Good bool      // it can be restored from, as far as is known
}

// Decision says whether a generation is kept.
type Decision struct {
	Candidate
	Keep bool
	// Rules say why it is kept, as "last 1" or "daily 2026-11-23"; none where
	// it is not.
	Rules []string
}

// What keeps a generation beside the rules of a policy.
const (
	ruleAll    = "no rule was given"
	ruleFuture = "in the future"
	ruleGood   = "newest good"
)

// Apply decides on the generations of one VM, given in any order, and returns
// the decisions in that order. now tells which lie in the future. The calendar
// is that of location, UTC if nil. A policy that Check refuses keeps all.
func Apply(p Policy, generations []Candidate, now time.Time, location *time.Location) []Decision {
	if location == nil {
		location = time.UTC
	}
	decisions := make([]Decision, len(generations))
	var past []*Decision
	for i, c := range generations {
		d := &decisions[i]
		d.Candidate = c
		switch {
		case p.Empty() || p.Check() != nil:
			d.keep(ruleAll)
		case c.Time.After(now):
			d.keep(ruleFuture)
		default:
			past = append(past, d)
		}
	}
	// Newest first. Of equal times the name decides, so that the order given
	// does not; a higher suffix is longer or greater.
	slices.SortStableFunc(past, func(a, b *Decision) int {
		return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(len(b.Name), len(a.Name)), strings.Compare(b.Name, a.Name))
	})
	if i := slices.IndexFunc(past, func(d *Decision) bool { return d.Good }); i >= 0 {
		past[i].keep(ruleGood)
	}
	for _, r := range p.calendar() {
		r.apply(past, location)
	}
	for _, d := range past {
		if p.Within > 0 && past[0].Time.Sub(d.Time) < p.Within {
			d.keep(fmt.Sprintf("within %v", p.Within))
		}
	}
	return decisions
}

func (d *Decision) keep(rule string) {
	d.Keep = true
	d.Rules = append(d.Rules, rule)
}

// apply keeps what the rule does; generations are sorted, the newest first.
func (r calendarRule) apply(generations []*Decision, location *time.Location) {
	full := map[string]bool{}
	for i, d := range generations {
		if len(full) >= r.count {
			return
		}
		bucket := fmt.Sprint(i + 1)
		if r.bucket != nil {
			bucket = r.bucket(d.Time.In(location))
		}
		if !full[bucket] {
			full[bucket] = true
			d.keep(r.name + " " + bucket)
		}
	}
}
