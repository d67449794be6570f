//go:build linux

package main

import "testing"

func TestGoalsAreJudgedByTheMedians(t *testing.T) {
	speed := goal{"3 times restic's", quantity{resticName, "first"}, quantity{granaryName, "first"}, 3, 0}
	limit := goal{"at most 25 MB", quantity{granaryName, "pages-added"}, quantity{}, 0, 25}
	for _, test := range []struct {
		name                 string
		goal                 goal
		restic, granary, add float64
		measured, verdict    string
	}{
		{"faster than it has to be", speed, 12, 3, 0, "4.00 times", "met"},
		{"just fast enough", speed, 9, 3, 0, "3.00 times", "met"},
		{"too slow", speed, 8, 3, 0, "2.67 times", "**missed**"},
		{"just small enough", limit, 0, 0, 25, "25.0 MB", "met"},
		{"too large", limit, 0, 0, 25.1, "25.1 MB", "**missed**"},
	} {
		r := newResults()
		r.add("first", resticName, test.restic)
		r.add("first", granaryName, test.granary)
		r.add("pages-added", granaryName, test.add)
		if measured, verdict := test.goal.judge(r); measured != test.measured || verdict != test.verdict {
			t.Errorf("%s: %s, %s; want %s, %s", test.name, measured, verdict, test.measured, test.verdict)
		}
	}
}

func TestGoalWithoutItsFiguresIsNotMeasured(t *testing.T) {
	ratio := goal{"3 times restic's", quantity{resticName, "first"}, quantity{granaryName, "first"}, 3, 0}
	r := newResults()
	r.add("first", granaryName, 1)
	if measured, verdict := ratio.judge(r); measured != none || verdict != "not measured" {
		t.Errorf("without restic: %s, %s", measured, verdict)
	}
	r.add("first", resticName, 10)
	if _, verdict := ratio.judge(r); verdict != "met" {
		t.Errorf("with restic: %s", verdict)
	}
	r.fail("first", granaryName, errWrongBytes)
	if measured, verdict := ratio.judge(r); measured != none || verdict != "not measured" {
		t.Errorf("after a failed round: %s, %s", measured, verdict)
	}
}

// A goal that names no metric, tool or bound would never be judged.
func TestEachGoalNamesWhatIsMeasured(t *testing.T) {
	tools := append(peerNames(), granaryName, plainName)
	for _, g := range goals {
		for _, q := range []quantity{g.value, g.against} {
			if q == (quantity{}) && g.value != q {
				continue
			}
			if _, err := choose(q.tool, tools); err != nil && q.tool != plainName {
				t.Errorf("%s: %v", g.what, err)
			}
			if metricOf(q.metric).title == "" {
				t.Errorf("%s: no metric %q", g.what, q.metric)
			}
		}
		if (g.atLeast > 0) == (g.atMost > 0) {
			t.Errorf("%s: has to have one bound", g.what)
		}
	}
}
