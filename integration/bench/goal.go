//go:build linux

package main

import "fmt"

// quantity is a metric of a tool.
type quantity struct{ tool, metric string }

// goal bounds a quantity, or its ratio to another, from below or from above.
type goal struct {
	what            string
	value, against  quantity // against: none if empty
	atLeast, atMost float64  // one of them
}

const (
	resticName = "restic"
	plainName  = "plain file"
)

// goals are what granary is to reach.
var goals = []goal{
	{"first capture: 7 times restic's speed", quantity{resticName, "first"}, quantity{granaryName, "first"}, 7, 0},
	{"first capture: 2 times borg's with 4 MiB chunks", quantity{"borg-4m", "first"}, quantity{granaryName, "first"}, 2, 0},
	{"unchanged, all read again: 3 times restic's speed", quantity{resticName, "unchanged"}, quantity{granaryName, "unchanged"}, 3, 0},
	{"unchanged, all read again: within 1.3 of reading the allocated data", quantity{granaryName, "unchanged"}, quantity{plainName, "unchanged"}, 0, 1.3},
	{"stored after the first: at most restic's", quantity{granaryName, "stored"}, quantity{resticName, "stored"}, 0, 1},
	{"added by the 2,000 page writes: at most 25 MB", quantity{granaryName, "pages-added"}, quantity{}, 0, 25},
	{"restore: 2 times restic's speed", quantity{resticName, "restore"}, quantity{granaryName, "restore"}, 2, 0},
	{"restore: holes stay holes, within 1.01 of the disk", quantity{granaryName, "restore-usage"}, quantity{plainName, "restore-usage"}, 0, 1.01},
	{"check of all data: 2 times restic's speed", quantity{resticName, "check"}, quantity{granaryName, "check"}, 2, 0},
	{"mounted, the whole disk: 6 times restic's speed", quantity{granaryName, "sequential"}, quantity{resticName, "sequential"}, 6, 0},
	{"mounted, a stretch of real data: 600 MiB/s where restic reads the whole disk at 237", quantity{granaryName, "stretch"}, quantity{resticName, "sequential"}, 600. / 237, 0},
	{"mounted, random 4 KiB reads: 10 times restic's", quantity{granaryName, "random"}, quantity{resticName, "random"}, 10, 0},
	{"mounted, random 4 KiB reads: above desync's, which once were 5,396 where restic's were 1,090", quantity{granaryName, "random"}, quantity{resticName, "random"}, 5396. / 1090, 0},
	{"`cp --sparse=auto` from the mount: within 1.5 of granary's own restore", quantity{granaryName, "cp"}, quantity{granaryName, "restore"}, 0, 1.5},
	{"capture: below 150 MiB of memory", quantity{granaryName, "capture-memory"}, quantity{}, 0, 150},
	{"restore: below 150 MiB of memory", quantity{granaryName, "restore-memory"}, quantity{}, 0, 150},
	{"mount: below 150 MiB of memory", quantity{granaryName, "mount-memory"}, quantity{}, 0, 150},
}

// judge returns what was measured and "met", "missed" or, where a figure is
// lacking, "not measured".
func (g goal) judge(r *results) (measured, verdict string) {
	m := metricOf(g.value.metric)
	value, ok := r.median(m, g.value.tool)
	if ok {
		measured = m.format(value) + " " + m.unit
	}
	if ok && g.against != (quantity{}) {
		var against float64
		if against, ok = r.median(metricOf(g.against.metric), g.against.tool); ok {
			value /= against
			measured = fmt.Sprintf("%.2f times", value)
		}
	}
	switch {
	case !ok:
		return none, "not measured"
	case value < g.atLeast, g.atMost > 0 && value > g.atMost:
		return measured, "**missed**"
	}
	return measured, "met"
}
