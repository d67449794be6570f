//go:build linux

package main

import (
	"slices"
	"strconv"
)

// metric is a row of the table.
type metric struct {
	id, title, unit string
	step            string // that gives its value
	decimals        int
	higherIsBetter  bool
}

// metrics in the order of the table.
var metrics = []metric{
	{id: "first", step: "first", title: "first capture", unit: "s", decimals: 1},
	{id: "first-cpu", step: "first", title: "first capture, CPU time", unit: "s", decimals: 1},
	{id: "stored", step: "first", title: "stored after the first", unit: "MB", decimals: 0},
	{id: "unchanged", step: "unchanged", title: "unchanged, all read again", unit: "s", decimals: 1},
	{id: "day", step: "day", title: "a day of work", unit: "s", decimals: 1},
	{id: "day-added", step: "day", title: "added by the day of work", unit: "MB", decimals: 0},
	{id: "pages", step: "pages", title: "2,000 page writes", unit: "s", decimals: 1},
	{id: "pages-added", step: "pages", title: "added by the 2,000 page writes", unit: "MB", decimals: 1},
	{id: "capture-memory", step: "first", title: "peak memory of a capture", unit: "MiB", decimals: 0},
	{id: "restore", step: "restore", title: "restore of the disk", unit: "s", decimals: 1},
	{id: "restore-usage", step: "restore", title: "the restored disk takes", unit: "MiB", decimals: 0},
	{id: "restore-memory", step: "restore", title: "peak memory of a restore", unit: "MiB", decimals: 0},
	{id: "check", step: "check", title: "check of all data", unit: "s", decimals: 1},
	{id: "sequential", step: "sequential", title: "mounted, the whole disk", unit: "MiB/s", decimals: 0, higherIsBetter: true},
	{id: "stretch", step: "stretch", title: "mounted, a stretch of real data", unit: "MiB/s", decimals: 0, higherIsBetter: true},
	{id: "random", step: "random", title: "mounted, random 4 KiB reads", unit: "a second", decimals: 0, higherIsBetter: true},
	{id: "cp", step: "cp", title: "mounted, `cp --sparse=auto`", unit: "s", decimals: 1},
	{id: "mount-memory", step: "sequential", title: "peak memory of a mount", unit: "MiB", decimals: 0},
}

// metricOf returns the metric of an id that is in the list.
func metricOf(id string) metric {
	return metrics[slices.IndexFunc(metrics, func(m metric) bool { return m.id == id })]
}

func (m metric) format(value float64) string { return strconv.FormatFloat(value, 'f', m.decimals, 64) }

// advantage is how many times better value is than that of a peer.
func (m metric) advantage(value, peer float64) float64 {
	if m.higherIsBetter {
		return value / peer
	}
	return peer / value
}
