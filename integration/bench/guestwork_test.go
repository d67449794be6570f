//go:build linux

package main

import (
	"bytes"
	"io"
	"testing"
)

// disk is a memory that is written to at offsets.
type disk []byte

func (d disk) WriteAt(p []byte, off int64) (int, error) { return copy(d[off:], p), nil }

func TestPageWritesAreSeededAndHitDistinctPages(t *testing.T) {
	const pages, count = 300, 40
	written := func(purpose string) disk {
		d := make(disk, pages*pageSize)
		if err := writePages(d, pages, count, newRandom(purpose)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := written("pages")
	if !bytes.Equal(first, written("pages")) {
		t.Error("the same seed gave other pages")
	}
	if bytes.Equal(first, written("other pages")) {
		t.Error("another seed gave the same pages")
	}
	changed := 0
	for page := range pages {
		if bytes.ContainsFunc(first[page*pageSize:(page+1)*pageSize], func(r rune) bool { return r != 0 }) {
			changed++
		}
	}
	if changed != count {
		t.Errorf("%d pages were written, want %d", changed, count)
	}
}

func TestLogsAreSeededTextOfTheSizeAsked(t *testing.T) {
	written := func(w io.Writer) {
		t.Helper()
		if err := writeLog(w, 10_000, newRandom("log"), birthday); err != nil {
			t.Fatal(err)
		}
	}
	var first, second bytes.Buffer
	written(&first)
	written(&second)
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same seed gave another log")
	}
	if size := first.Len(); size < 10_000 || size > 10_300 {
		t.Errorf("%d bytes", size)
	}
	if !bytes.HasSuffix(first.Bytes(), []byte("\n")) || bytes.Count(first.Bytes(), []byte("\n")) < 50 {
		t.Error("it is not made of lines")
	}
}
