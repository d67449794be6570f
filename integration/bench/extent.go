//go:build linux

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// extent is a part of a file, in bytes.
type extent struct {
	Offset, Length int64
}

// allocated returns the parts of a file that are no holes, in order.
func allocated(path string) ([]extent, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var extents []extent
	for end := int64(0); ; {
		begin, err := f.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, syscall.ENXIO) {
			return extents, nil // nothing but a hole is left
		}
		if err != nil {
			return nil, fmt.Errorf("find data: %w", err)
		}
		if end, err = f.Seek(begin, unix.SEEK_HOLE); err != nil {
			return nil, fmt.Errorf("find holes: %w", err)
		}
		extents = append(extents, extent{begin, end - begin})
	}
}

func length(extents []extent) int64 {
	total := int64(0)
	for _, e := range extents {
		total += e.Length
	}
	return total
}

// longest picks the longest extents that have total bytes together, the last one
// cut to fit, and returns them in the order of the file.
func longest(extents []extent, total int64) []extent {
	bySize := slices.Clone(extents)
	slices.SortStableFunc(bySize, func(a, b extent) int { return cmp.Compare(b.Length, a.Length) })
	var picked []extent
	for _, e := range bySize {
		if total == 0 {
			break
		}
		e.Length = min(e.Length, total)
		total -= e.Length
		picked = append(picked, e)
	}
	slices.SortFunc(picked, func(a, b extent) int { return cmp.Compare(a.Offset, b.Offset) })
	return picked
}

// blocksWithin returns the offsets of the aligned blocks of a size that lie
// wholly in the extents.
func blocksWithin(extents []extent, size int64) []int64 {
	var blocks []int64
	for _, e := range extents {
		first := (e.Offset + size - 1) / size * size
		for at := first; at+size <= e.Offset+e.Length; at += size {
			blocks = append(blocks, at)
		}
	}
	return blocks
}

// diskUsage is what a file takes on disk, in bytes.
func diskUsage(path string) (int64, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, fmt.Errorf("look at %s: %w", path, err)
	}
	return stat.Blocks * 512, nil
}
