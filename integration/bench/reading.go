//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"time"
)

const (
	readSize  = 1 << 20 // of sequential reads: dd bs=1M
	blockSize = 64 << 10
	pointSize = 4 << 10 // of random reads
)

// readExtents reads parts of a file one after the other and returns how long
// that took, with the opening of the file, in seconds.
func readExtents(path string, extents []extent) (float64, error) {
	begin := time.Now()
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buffer := make([]byte, readSize)
	for _, e := range extents {
		for end := e.Offset + e.Length; e.Offset < end; e.Offset += readSize {
			if _, err := f.ReadAt(buffer[:min(readSize, end-e.Offset)], e.Offset); err != nil {
				return 0, fmt.Errorf("read at %d: %w", e.Offset, err)
			}
		}
	}
	return time.Since(begin).Seconds(), nil
}

// points returns offsets of single reads at random, each within one of the
// blocks given.
func points(blocks []int64, count int, random *rand.Rand) []int64 {
	offsets := make([]int64, count)
	for i := range offsets {
		offsets[i] = blocks[random.IntN(len(blocks))] + pointSize*random.Int64N(blockSize/pointSize)
	}
	return offsets
}

// readPoints reads at one offset after the other until they, or the time, are
// used up. It returns a checksum of each read and the seconds that all took.
func readPoints(path string, offsets []int64, most time.Duration) ([]uint32, float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	buffer := make([]byte, pointSize)
	var sums []uint32
	begin := time.Now()
	for _, offset := range offsets {
		if time.Since(begin) > most {
			break
		}
		if _, err := f.ReadAt(buffer, offset); err != nil {
			return nil, 0, fmt.Errorf("read at %d: %w", offset, err)
		}
		sums = append(sums, crc32.Checksum(buffer, castagnoli)) // less than a microsecond
	}
	return sums, time.Since(begin).Seconds(), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errWrongBytes = errors.New("wrong bytes")

// comparePoints proves that reads at the offsets gave what the file at path has.
func comparePoints(path string, offsets []int64, sums []uint32) error {
	want, _, err := readPoints(path, offsets[:len(sums)], deadline)
	if err != nil {
		return err
	}
	for i := range sums {
		if i >= len(want) || sums[i] != want[i] {
			return fmt.Errorf("%w at %d", errWrongBytes, offsets[i])
		}
	}
	return nil
}

// compareExtents proves that two files have the same bytes in parts of them.
func compareExtents(path, wantPath string, extents []extent) error {
	if path == wantPath {
		return nil // the plain file
	}
	got, err := os.Open(path)
	if err != nil {
		return err
	}
	defer got.Close()
	want, err := os.Open(wantPath)
	if err != nil {
		return err
	}
	defer want.Close()
	gotBuffer, wantBuffer := make([]byte, readSize), make([]byte, readSize)
	for _, e := range extents {
		for end := e.Offset + e.Length; e.Offset < end; e.Offset += readSize {
			size := min(readSize, end-e.Offset)
			if _, err := got.ReadAt(gotBuffer[:size], e.Offset); err != nil {
				return fmt.Errorf("read at %d: %w", e.Offset, err)
			}
			if _, err := want.ReadAt(wantBuffer[:size], e.Offset); err != nil {
				return fmt.Errorf("read at %d: %w", e.Offset, err)
			}
			if !bytes.Equal(gotBuffer[:size], wantBuffer[:size]) {
				return fmt.Errorf("%w within %d bytes at %d", errWrongBytes, size, e.Offset)
			}
		}
	}
	return nil
}

// compareFiles proves that two files have the same size and the same bytes.
func compareFiles(path, wantPath string) error {
	got, err := os.Stat(path)
	if err != nil {
		return err
	}
	want, err := os.Stat(wantPath)
	if err != nil {
		return err
	}
	if got.Size() != want.Size() {
		return fmt.Errorf("%w: %d bytes long instead of %d", errWrongBytes, got.Size(), want.Size())
	}
	return compareExtents(path, wantPath, []extent{{0, want.Size()}})
}
