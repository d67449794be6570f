//go:build linux

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// shape is how the grains of a repository are spread: each VM has one disk, half
// of all grains come with the first generations, half with what changed later.
type shape struct {
	grains      int64
	vms         int
	generations int // of each VM
}

// shapeOf spreads grains over 100 VMs and up to 10,000 generations.
func shapeOf(grains int64) shape {
	const vms = 100
	return shape{grains: grains, vms: vms, generations: int(min(100, max(2, grains/100_000)))}
}

// disk is the size of each VM's disk in grains.
func (s shape) disk() int { return int(s.grains) / 2 / s.vms }

// changed is how many grains of a disk are new in a later generation.
func (s shape) changed() int { return int(s.grains) / 2 / s.vms / (s.generations - 1) }

func (s shape) vm(i int) string { return fmt.Sprintf("vm%03d", i) }

// parseCounts reads numbers as 1e6,5000000; 0 is none.
func parseCounts(text string) (counts []int64, err error) {
	if text == "0" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 100_000 || n > 1e9 {
			return nil, fmt.Errorf("%q is not a number of grains from 1e5 to 1e9", part)
		}
		counts = append(counts, int64(n))
	}
	return counts, nil
}
