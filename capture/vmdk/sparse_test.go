package vmdk

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// sample is the header of a disk of 10 GiB as VMware lays it out.
var sample = SparseHeader{
	Version:          1,
	Flags:            FlagNewlineTest | FlagRedundantGD,
	Capacity:         10 << 30 / SectorSize,
	GrainSize:        128,
	DescriptorOffset: 1,
	DescriptorSize:   20,
	GTEsPerGT:        512,
	RGDOffset:        21,
	GDOffset:         1304,
	Overhead:         2688,
}

// marshal writes a header to 512 bytes, the inverse of ParseSparseHeader.
func (h *SparseHeader) marshal() []byte {
	b := make([]byte, sparseHeaderSize)
	copy(b, sparseMagic)
	binary.LittleEndian.PutUint32(b[4:], h.Version)
	binary.LittleEndian.PutUint32(b[8:], h.Flags)
	binary.LittleEndian.PutUint64(b[12:], uint64(h.Capacity))
	binary.LittleEndian.PutUint64(b[20:], uint64(h.GrainSize))
	binary.LittleEndian.PutUint64(b[28:], uint64(h.DescriptorOffset))
	binary.LittleEndian.PutUint64(b[36:], uint64(h.DescriptorSize))
	binary.LittleEndian.PutUint32(b[44:], h.GTEsPerGT)
	binary.LittleEndian.PutUint64(b[48:], uint64(h.RGDOffset))
	binary.LittleEndian.PutUint64(b[56:], uint64(h.GDOffset))
	binary.LittleEndian.PutUint64(b[64:], uint64(h.Overhead))
	if h.UncleanShutdown {
		b[72] = 1
	}
	copy(b[73:], newlineTest)
	binary.LittleEndian.PutUint16(b[77:], h.Compression)
	return b
}

func TestParseSparseHeader(t *testing.T) {
	stream := sample
	stream.Version, stream.Compression, stream.UncleanShutdown = 3, 1, true
	stream.Flags |= FlagCompressed | FlagMarkers | FlagZeroedGrains | 1<<9
	stream.RGDOffset, stream.GDOffset = 0, GDAtEnd

	for _, want := range []SparseHeader{sample, stream} {
		got, err := ParseSparseHeader(want.marshal())
		if err != nil {
			t.Fatal(err)
		}
		if *got != want {
			t.Errorf("\n got %+v\nwant %+v", *got, want)
		}
	}
}

func TestParseSparseHeaderRefuses(t *testing.T) {
	tests := []struct {
		name    string
		damage  func(h *SparseHeader)
		message string
	}{
		{"version 0", func(h *SparseHeader) { h.Version = 0 }, "version 0"},
		{"version 4", func(h *SparseHeader) { h.Version = 4 }, "version 4"},
		{"capacity", func(h *SparseHeader) { h.Capacity = math.MaxInt64/512 + 1 }, "capacity of"},
		{"capacity for the directory", func(h *SparseHeader) { h.Capacity = math.MaxInt64 / 512 }, "too large a grain directory"},
		{"negative capacity", func(h *SparseHeader) { h.Capacity = -1 }, "capacity of"},
		{"no grain size", func(h *SparseHeader) { h.GrainSize = 0 }, "grain size of 0"},
		{"odd grain size", func(h *SparseHeader) { h.GrainSize = 96 }, "grain size of 96"},
		{"huge grain size", func(h *SparseHeader) { h.GrainSize = 1 << 40 }, "grain size"},
		{"no GTEs", func(h *SparseHeader) { h.GTEsPerGT = 0 }, "0 entries"},
		{"odd GTEs", func(h *SparseHeader) { h.GTEsPerGT = 500 }, "500 entries"},
		{"many GTEs", func(h *SparseHeader) { h.GTEsPerGT = 1 << 31 }, "entries"},
		{"descriptor at the end", func(h *SparseHeader) { h.DescriptorOffset = GDAtEnd }, "descriptor offset"},
		{"descriptor size", func(h *SparseHeader) { h.DescriptorSize = maxSectors }, "descriptor of"},
		{"redundant directory", func(h *SparseHeader) { h.RGDOffset = -2 }, "redundant grain directory"},
		{"directory", func(h *SparseHeader) { h.GDOffset = -2 }, "grain directory offset"},
		{"overhead", func(h *SparseHeader) { h.Overhead = -1 }, "overhead"},
		{"flags", func(h *SparseHeader) { h.Flags |= 1 << 20 }, "unknown flags 0x100000"},
		{"markers", func(h *SparseHeader) { h.Flags |= FlagMarkers }, "markers"},
		{"compression", func(h *SparseHeader) { h.Compression = 2 }, "unknown compression 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sample
			tt.damage(&h)
			_, err := ParseSparseHeader(h.marshal())
			if !errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("error %v, want %q", err, tt.message)
			}
		})
	}
}

func TestParseSparseHeaderBytes(t *testing.T) {
	good := sample.marshal()
	for _, tt := range []struct {
		name, message string
		b             []byte
	}{
		{"nothing", "truncated to 0", nil},
		{"short", "truncated to 511", good[:511]},
		{"other magic", "begins with", append([]byte("vmdk"), good[4:]...)},
		{"converted line ends", "transfer as text", []byte(strings.Replace(string(good), "\n \r\n", "\n \n\n", 1))},
	} {
		_, err := ParseSparseHeader(tt.b)
		if !errors.Is(err, ErrBadHeader) || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.message)
		}
	}

	// Line ends mean something only if the header says so.
	h := sample
	h.Flags &^= FlagNewlineTest
	b := h.marshal()
	copy(b[73:77], "\x00\x00\x00\x00")
	if got, err := ParseSparseHeader(append(b, "more"...)); err != nil || *got != h {
		t.Errorf("without the newline test: %+v, error %v", got, err)
	}
}
