package retention_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"granary/repo/retention"
)

// sameBucket says for each rule, in another way than the package does, whether
// two times share a bucket.
var sameBucket = map[string]func(a, b time.Time) bool{
	"hourly": func(a, b time.Time) bool {
		_, x := a.Zone()
		_, y := b.Zone()
		return day(a) == day(b) && a.Hour() == b.Hour() && x == y
	},
	"daily": func(a, b time.Time) bool { return day(a) == day(b) },
	"weekly": func(a, b time.Time) bool {
		monday := func(t time.Time) [3]int { return day(t.AddDate(0, 0, -(int(t.Weekday())+6)%7)) }
		noon := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, time.UTC) }
		return monday(noon(a)) == monday(noon(b))
	},
	"monthly": func(a, b time.Time) bool { return a.Year() == b.Year() && a.Month() == b.Month() },
	"yearly":  func(a, b time.Time) bool { return a.Year() == b.Year() },
}

func day(t time.Time) [3]int { return [3]int{t.Year(), int(t.Month()), t.Day()} }

// keeps says by the promises of the package alone whether p keeps c, one of
// all, which have times of their own.
func keeps(p retention.Policy, all []retention.Candidate, c retention.Candidate, now time.Time, location *time.Location) bool {
	if p.Empty() || c.Time.After(now) {
		return true
	}
	var newer []time.Time
	newest, newerGood := c.Time, false
	for _, other := range all {
		if other.Time.After(c.Time) && !other.Time.After(now) {
			newer = append(newer, other.Time.In(location))
			newerGood = newerGood || other.Good
			if other.Time.After(newest) {
				newest = other.Time
			}
		}
	}
	if c.Good && !newerGood || len(newer) < p.Last || newest.Sub(c.Time) < p.Within {
		return true
	}
	at := c.Time.In(location)
	for rule, count := range map[string]int{"hourly": p.Hourly, "daily": p.Daily, "weekly": p.Weekly, "monthly": p.Monthly, "yearly": p.Yearly} {
		same := sameBucket[rule]
		var buckets []time.Time // one time of each
		for _, t := range newer {
			if !slices.ContainsFunc(buckets, func(b time.Time) bool { return same(t, b) }) {
				buckets = append(buckets, t)
			}
		}
		if len(buckets) < count && !slices.ContainsFunc(buckets, func(b time.Time) bool { return same(at, b) }) {
			return true
		}
	}
	return false
}

func randomPolicy(random *rand.Rand) retention.Policy {
	var p retention.Policy
	for _, count := range []*int{&p.Last, &p.Hourly, &p.Daily, &p.Weekly, &p.Monthly, &p.Yearly} {
		if random.IntN(3) == 0 {
			*count = random.IntN(6)
		}
	}
	if random.IntN(3) == 0 {
		p.Within = time.Duration(random.Int64N(int64(100 * 24 * time.Hour)))
	}
	return p
}

// randomCandidates are up to 60, in a span of hours to years around 2026; a
// clock that jumped has moved some far away.
func randomCandidates(random *rand.Rand) []retention.Candidate {
	span := []time.Duration{3 * time.Hour, 10 * 24 * time.Hour, 400 * 24 * time.Hour, 3000 * 24 * time.Hour}[random.IntN(4)]
	base := time.Date(2026, time.Month(1+random.IntN(12)), 1+random.IntN(28), 0, 0, 0, 0, time.UTC)
	times := map[int64]bool{}
	for range random.IntN(60) {
		at := base.Add(-time.Duration(random.Int64N(int64(span))))
		if random.IntN(10) == 0 {
			at = at.AddDate(10*(1-2*random.IntN(2)), 0, 0)
		}
		times[at.UnixNano()] = true
	}
	var all []retention.Candidate
	for _, at := range slices.Sorted(maps.Keys(times)) {
		all = append(all, retention.Candidate{Name: fmt.Sprint(at), Time: time.Unix(0, at).UTC(), Good: random.IntN(4) > 0})
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func TestPropertiesOfApply(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	locations := []*time.Location{time.UTC, zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe"), zone(t, "America/St_Johns"), zone(t, "Pacific/Apia")}
	for range 1000 {
		p, all := randomPolicy(random), randomCandidates(random)
		location := locations[random.IntN(len(locations))]
		now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(4000*24*time.Hour))) - 2000*24*time.Hour)
		decisions := retention.Apply(p, all, now, location)
		fail := func(what string, d retention.Decision) {
			t.Fatalf("seed %d: %s: %+v\npolicy %+v, now %v, %v\n%+v", seed, what, d, p, now, location, all)
		}
		var survivors []retention.Candidate
		var newestGood, earlier retention.Decision
		back := retention.Apply(p, all, now.Add(-time.Duration(random.Int64N(int64(1000*24*time.Hour)))), location)
		for i, d := range decisions {
			if d.Candidate != all[i] || d.Keep != (len(d.Rules) > 0) {
				fail("not a decision on the candidate", d)
			}
			if want := keeps(p, all, all[i], now, location); d.Keep != want {
				fail(fmt.Sprintf("kept is %v, want %v", d.Keep, want), d)
			}
			if d.Good && d.Time.After(newestGood.Time) {
				newestGood = d
			}
			if d.Good && !d.Time.After(now) && d.Time.After(earlier.Time) {
				earlier = d
			}
			if d.Keep {
				survivors = append(survivors, d.Candidate)
			}
			if d.Keep && !back[i].Keep {
				fail("lost by a clock that went back", d)
			}
		}
		for _, d := range []retention.Decision{newestGood, earlier} {
			if d.Name != "" && !d.Keep {
				fail("the newest good one is forgotten", d)
			}
		}
		for _, d := range retention.Apply(p, survivors, now, location) {
			if !d.Keep {
				fail("forgotten when the policy is applied again", d)
			}
		}
	}
}
