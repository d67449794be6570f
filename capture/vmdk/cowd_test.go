package vmdk

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func cowdSample(fields ...uint32) []byte {
	b := make([]byte, cowdHeaderSize)
	copy(b, cowdMagic)
	for i, f := range fields {
		binary.LittleEndian.PutUint32(b[4+4*i:], f)
	}
	return b
}

func TestParseCOWDHeader(t *testing.T) {
	got, err := ParseCOWDHeader(cowdSample(1, 3, 41943040, 1, 4, 10240, 84))
	want := COWDHeader{Version: 1, Flags: 3, Capacity: 41943040, GrainSize: 1, GDOffset: 4, GDEntries: 10240, NextSector: 84}
	if err != nil || *got != want {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestParseCOWDHeaderRefuses(t *testing.T) {
	for _, tt := range []struct {
		message string
		b       []byte
	}{
		{"truncated to 0", nil},
		{"truncated to 2047", cowdSample(1, 3, 1, 1, 4, 1, 5)[:2047]},
		{"begins with", make([]byte, cowdHeaderSize)},
		{"version 2", cowdSample(2, 3, 1, 1, 4, 1, 5)},
		{"grain size of 0", cowdSample(1, 3, 1, 0, 4, 1, 5)},
		{"grain size of 3", cowdSample(1, 3, 1, 3, 4, 1, 5)},
		{"sector 3", cowdSample(1, 3, 1, 1, 3, 1, 5)},
		{"too large", cowdSample(1, 3, 1, 1, 4, 1<<31, 5)},
	} {
		_, err := ParseCOWDHeader(tt.b)
		if !errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("error %v, want %q", err, tt.message)
		}
	}
}
