package retention_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"granary/repo/retention"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// candidates are generations of times in UTC, all good, but for those that end
// in " bad".
func candidates(t *testing.T, times ...string) []retention.Candidate {
	t.Helper()
	var all []retention.Candidate
	for _, text := range times {
		text, bad := strings.CutSuffix(text, " bad")
		at, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, retention.Candidate{Name: at.Format("2006-01-02T150405Z"), Time: at, Good: !bad})
	}
	return all
}

func every(first time.Time, n int, step time.Duration) []retention.Candidate {
	var all []retention.Candidate
	for i := range n {
		at := first.Add(time.Duration(i) * step)
		all = append(all, retention.Candidate{Name: at.Format("2006-01-02T150405Z"), Time: at, Good: true})
	}
	return all
}

// kept are the decisions that keep, each as its time and rules.
func kept(decisions []retention.Decision) []string {
	list := []string{}
	for _, d := range decisions {
		if d.Keep {
			list = append(list, d.Time.Format("2006-01-02 15:04: ")+strings.Join(d.Rules, ", "))
		}
	}
	return list
}

var later = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRules(t *testing.T) {
	berlin, apia, halfHour := zone(t, "Europe/Berlin"), zone(t, "Pacific/Apia"), zone(t, "Australia/Lord_Howe")
	week := []string{"2026-11-16 04:00", "2026-11-17 04:00", "2026-11-22 04:00", "2026-11-22 16:00", "2026-11-23 04:00", "2026-11-23 16:00"}
	for _, c := range []struct {
		what     string
		policy   retention.Policy
		location *time.Location
		times    []string
		want     []string
	}{
		{"nothing to decide on", retention.Policy{Last: 1}, nil, nil, []string{}},
		{"no rule", retention.Policy{}, nil, week[:2], []string{
			"2026-11-16 04:00: no rule was given", "2026-11-17 04:00: no rule was given"}},
		{"a rule that is wrong", retention.Policy{Last: 1, Daily: -1}, nil, week[:2], []string{
			"2026-11-16 04:00: no rule was given", "2026-11-17 04:00: no rule was given"}},
		{"the last two", retention.Policy{Last: 2}, nil, week, []string{
			"2026-11-23 04:00: last 2", "2026-11-23 16:00: newest good, last 1"}},
		{"more than there are", retention.Policy{Last: 9}, nil, week[4:], []string{
			"2026-11-23 04:00: last 2", "2026-11-23 16:00: newest good, last 1"}},
		{"the newest of each day, days without one not counted", retention.Policy{Daily: 3}, nil, week, []string{
			"2026-11-17 04:00: daily 2026-11-17", "2026-11-22 16:00: daily 2026-11-22", "2026-11-23 16:00: newest good, daily 2026-11-23"}},
		{"weeks begin on Monday", retention.Policy{Weekly: 2}, nil, week, []string{
			"2026-11-22 16:00: weekly 2026-W47", "2026-11-23 16:00: newest good, weekly 2026-W48"}},
		{"a week belongs to the year of its Thursday", retention.Policy{Weekly: 5}, nil,
			[]string{"2026-12-27 00:00", "2026-12-31 00:00", "2027-01-03 00:00", "2027-01-04 00:00"}, []string{
				"2026-12-27 00:00: weekly 2026-W52", "2027-01-03 00:00: weekly 2026-W53", "2027-01-04 00:00: newest good, weekly 2027-W01"}},
		{"months and years", retention.Policy{Monthly: 2, Yearly: 2}, nil,
			[]string{"2025-12-30 00:00", "2025-12-31 23:59", "2026-10-01 00:00", "2026-10-31 00:00", "2026-11-01 00:00"}, []string{
				"2025-12-31 23:59: yearly 2025", "2026-10-31 00:00: monthly 2026-10", "2026-11-01 00:00: newest good, monthly 2026-11, yearly 2026"}},
		{"rules add up", retention.Policy{Last: 1, Hourly: 2, Daily: 2}, nil, week, []string{
			"2026-11-22 16:00: daily 2026-11-22", "2026-11-23 04:00: hourly 2026-11-23 04h +0000",
			"2026-11-23 16:00: newest good, last 1, hourly 2026-11-23 16h +0000, daily 2026-11-23"}},
		{"within is measured from the newest", retention.Policy{Within: 24 * time.Hour}, nil, week, []string{
			"2026-11-23 04:00: within 24h0m0s", "2026-11-23 16:00: newest good, within 24h0m0s"}},
		{"days are those of the location", retention.Policy{Daily: 2}, berlin,
			[]string{"2026-11-22 22:59", "2026-11-22 23:00", "2026-11-23 22:59"}, []string{
				"2026-11-22 22:59: daily 2026-11-22", "2026-11-23 22:59: newest good, daily 2026-11-23"}},
		{"the hour that comes twice", retention.Policy{Hourly: 9}, berlin,
			[]string{"2026-10-25 00:10", "2026-10-25 00:30", "2026-10-25 01:10", "2026-10-25 01:30", "2026-10-25 02:30"}, []string{
				"2026-10-25 00:30: hourly 2026-10-25 02h +0200", "2026-10-25 01:30: hourly 2026-10-25 02h +0100",
				"2026-10-25 02:30: newest good, hourly 2026-10-25 03h +0100"}},
		{"the half hour that comes twice", retention.Policy{Hourly: 9}, halfHour,
			[]string{"2026-04-04 14:45", "2026-04-04 15:15"}, []string{
				"2026-04-04 14:45: hourly 2026-04-05 01h +1100", "2026-04-04 15:15: newest good, hourly 2026-04-05 01h +1030"}},
		{"a day of 25 hours is one day", retention.Policy{Daily: 2}, berlin,
			[]string{"2026-10-24 22:00", "2026-10-25 22:59", "2026-10-25 23:00"}, []string{
				"2026-10-25 22:59: daily 2026-10-25", "2026-10-25 23:00: newest good, daily 2026-10-26"}},
		{"the day that never was", retention.Policy{Daily: 2}, apia,
			[]string{"2011-12-30 09:00", "2011-12-30 10:00"}, []string{
				"2011-12-30 09:00: daily 2011-12-29", "2011-12-30 10:00: newest good, daily 2011-12-31"}},
		{"the newest good one stays", retention.Policy{Last: 2}, nil,
			[]string{"2026-11-20 00:00", "2026-11-21 00:00", "2026-11-22 00:00 bad", "2026-11-23 00:00 bad"}, []string{
				"2026-11-21 00:00: newest good", "2026-11-22 00:00: last 2", "2026-11-23 00:00: last 1"}},
		{"none is good", retention.Policy{Last: 1}, nil,
			[]string{"2026-11-22 00:00 bad", "2026-11-23 00:00 bad"}, []string{"2026-11-23 00:00: last 1"}},
		{"those of the future stay, and take nobody's place", retention.Policy{Last: 1}, nil,
			[]string{"2026-11-22 00:00", "2026-11-23 00:00", "2036-11-23 00:00 bad", "2036-11-24 00:00"}, []string{
				"2026-11-23 00:00: newest good, last 1", "2036-11-23 00:00: in the future", "2036-11-24 00:00: in the future"}},
		{"the future is no measure for within", retention.Policy{Within: time.Hour}, nil,
			[]string{"2026-11-22 00:00", "2026-11-23 00:00", "2036-11-23 00:00"}, []string{
				"2026-11-23 00:00: newest good, within 1h0m0s", "2036-11-23 00:00: in the future"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			got := kept(retention.Apply(c.policy, candidates(t, c.times...), later, c.location))
			if !slices.Equal(got, c.want) {
				t.Errorf("kept\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// The examples of restic's page on forget.
func TestExamplesOfRestic(t *testing.T) {
	sundays := every(time.Date(2019, 9, 1, 11, 0, 0, 0, time.UTC), 12, 7*24*time.Hour)
	want := []string{"2019-10-27 11:00: daily 2019-10-27", "2019-11-03 11:00: daily 2019-11-03",
		"2019-11-10 11:00: daily 2019-11-10", "2019-11-17 11:00: newest good, daily 2019-11-17"}
	if got := kept(retention.Apply(retention.Policy{Daily: 4}, sundays, later, nil)); !slices.Equal(got, want) {
		t.Errorf("of twelve Sundays %q are kept, want %q", got, want)
	}
	// One a day for 100 years: 7 days, and more weeks, months and years, but for
	// those whose newest generation another rule keeps too.
	const days = 36524
	for shift := range 8 {
		daily := every(time.Date(1926, 1, 1+5*shift, 9, 0, 0, 0, time.UTC), days, 24*time.Hour)
		decisions := retention.Apply(retention.Policy{Daily: 7, Weekly: 5, Monthly: 12, Yearly: 75}, daily, later, nil)
		count := map[string]int{}
		total := 0
		for i, d := range decisions {
			for _, rule := range d.Rules {
				name, _, _ := strings.Cut(rule, " ")
				count[name]++
			}
			if d.Keep {
				total++
			} else if i >= days-7 {
				t.Errorf("%s is not kept", d.Name)
			}
		}
		if want := map[string]int{"newest": 1, "daily": 7, "weekly": 5, "monthly": 12, "yearly": 75}; fmt.Sprint(count) != fmt.Sprint(want) {
			t.Errorf("rules keep %v, want %v", count, want)
		}
		if least, most := 7+3+10+73, 7+4+11+74; total < least || total > most {
			t.Errorf("%d are kept, want %d to %d", total, least, most)
		}
	}
}

// Of generations of one time that with the higher suffix is the newest,
// whatever the order they are given in.
func TestEqualTimes(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)
	all := []retention.Candidate{{Name: "Z-10", Time: at, Good: true}, {Name: "Z", Time: at, Good: true}, {Name: "Z-9", Time: at, Good: true}}
	for range all {
		all = append(all[1:], all[0])
		for _, d := range retention.Apply(retention.Policy{Daily: 3}, all, at, nil) {
			if d.Keep != (d.Name == "Z-10") {
				t.Errorf("%s is kept: %v, by %q", d.Name, d.Keep, d.Rules)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		policy retention.Policy
		empty  bool
		wrong  string
	}{
		{retention.Policy{}, true, ""},
		{retention.Policy{Last: 1, Hourly: 2, Daily: 3, Weekly: 4, Monthly: 5, Yearly: 6, Within: 7}, false, ""},
		{retention.Policy{Last: -1}, false, "keep last: -1"},
		{retention.Policy{Hourly: -1}, false, "keep hourly: -1"},
		{retention.Policy{Daily: -1}, false, "keep daily: -1"},
		{retention.Policy{Weekly: -1}, false, "keep weekly: -1"},
		{retention.Policy{Monthly: -1}, false, "keep monthly: -1"},
		{retention.Policy{Yearly: -5, Last: 1}, false, "keep yearly: -5"},
		{retention.Policy{Within: -time.Second}, false, "keep within: -1s"},
	} {
		err := c.policy.Check()
		if c.policy.Empty() != c.empty || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%+v: empty %v, %v", c.policy, c.policy.Empty(), err)
		}
	}
}
