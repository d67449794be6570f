package vmdk

import (
	"encoding/binary"
	"fmt"
)

// GDAtEnd is the GDOffset of a stream-optimized extent, which was written in
// one go: the true one is in the copy of the header 1024 bytes before the end.
const GDAtEnd = -1

// The flags of a sparse extent. A reader must know all flags of the upper 16
// bits; the lower ones it may ignore.
const (
	FlagNewlineTest  = 1 << 0  // the header holds line ends that betray a conversion of text
	FlagRedundantGD  = 1 << 1  // the redundant grain directory is in use
	FlagZeroedGrains = 1 << 2  // a grain table entry of 1 is a grain of zeros
	FlagCompressed   = 1 << 16 // grains are compressed
	FlagMarkers      = 1 << 17 // markers precede grains and metadata
)

const (
	sparseMagic      = "KDMV"
	sparseHeaderSize = 512
	newlineTest      = "\n \r\n"

	unknownFlags = 0xFFFF0000 &^ (FlagCompressed | FlagMarkers)

	// Bounds as wide as those of any known reader; VMware itself writes grains
	// of 128 sectors and tables of 512 entries.
	maxGrainSectors = 1 << 21
	minGTEs         = 128
	maxGTEs         = 1 << 16
	maxGDEntries    = 1 << 25
)

// SparseHeader is the header of a hosted sparse extent, magic KDMV, the type
// SPARSE of an extent line.
type SparseHeader struct {
	Version          uint32 // 1, 2 or 3
	Flags            uint32 // FlagNewlineTest and so on
	Capacity         int64  // sectors of the disk that the extent covers; not always whole grains
	GrainSize        int64  // sectors, a power of two
	DescriptorOffset int64  // sectors from the start of the file; 0 if there is no embedded descriptor
	DescriptorSize   int64  // sectors
	GTEsPerGT        uint32 // entries, of 4 bytes, in a grain table; a power of two
	RGDOffset        int64  // sectors from the start of the file, to the redundant grain directory; 0 if none
	GDOffset         int64  // sectors from the start of the file, to the grain directory, or GDAtEnd
	Overhead         int64  // sectors of metadata, before the first grain
	UncleanShutdown  bool   // the extent was open for writing, or still is
	Compression      uint16 // 0 none, 1 deflate
}

// ParseSparseHeader reads and checks the header that b, at least 512 bytes,
// begins with. All of its errors are ErrBadHeader.
func ParseSparseHeader(b []byte) (*SparseHeader, error) {
	if len(b) < sparseHeaderSize {
		return nil, headerError("sparse header truncated to %d bytes", len(b))
	}
	if string(b[:4]) != sparseMagic {
		return nil, headerError("sparse header begins with %q, not %q", b[:4], sparseMagic)
	}
	h := &SparseHeader{
		Version:         binary.LittleEndian.Uint32(b[4:]),
		Flags:           binary.LittleEndian.Uint32(b[8:]),
		GTEsPerGT:       binary.LittleEndian.Uint32(b[44:]),
		UncleanShutdown: b[72] != 0,
		Compression:     binary.LittleEndian.Uint16(b[77:]),
	}
	if h.Version < 1 || h.Version > 3 {
		return nil, headerError("sparse header of unknown version %d", h.Version)
	}
	if h.Flags&FlagNewlineTest != 0 && string(b[73:77]) != newlineTest {
		return nil, headerError("line ends %q in the sparse header, so a transfer as text has damaged the file", b[73:77])
	}
	if err := h.readSectors(b); err != nil {
		return nil, err
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	return h, nil
}

// readSectors reads the fields that count sectors.
func (h *SparseHeader) readSectors(b []byte) error {
	fields := []struct {
		name   string
		offset int
		value  *int64
	}{
		{"capacity", 12, &h.Capacity},
		{"grain size", 20, &h.GrainSize},
		{"descriptor offset", 28, &h.DescriptorOffset},
		{"descriptor size", 36, &h.DescriptorSize},
		{"redundant grain directory offset", 48, &h.RGDOffset},
		{"grain directory offset", 56, &h.GDOffset},
		{"overhead", 64, &h.Overhead},
	}
	for _, f := range fields {
		n := binary.LittleEndian.Uint64(b[f.offset:])
		switch {
		case n <= maxSectors:
			*f.value = int64(n)
		case n == 1<<64-1 && f.value == &h.GDOffset:
			*f.value = GDAtEnd
		default:
			return headerError("%s of %d sectors in a sparse header", f.name, n)
		}
	}
	return nil
}

// check tests what the fields say of one another.
func (h *SparseHeader) check() error {
	switch {
	case h.GrainSize < 1 || h.GrainSize > maxGrainSectors || h.GrainSize&(h.GrainSize-1) != 0:
		return headerError("grain size of %d sectors is not a power of two up to %d", h.GrainSize, maxGrainSectors)
	case h.GTEsPerGT < minGTEs || h.GTEsPerGT > maxGTEs || h.GTEsPerGT&(h.GTEsPerGT-1) != 0:
		return headerError("%d entries per grain table, not a power of two from %d to %d", h.GTEsPerGT, minGTEs, maxGTEs)
	case h.Capacity/(h.GrainSize*int64(h.GTEsPerGT)) >= maxGDEntries:
		return headerError("capacity of %d sectors needs too large a grain directory", h.Capacity)
	case h.DescriptorOffset > maxSectors-h.DescriptorSize:
		return headerError("descriptor of %d sectors at %d ends beyond the largest possible file", h.DescriptorSize, h.DescriptorOffset)
	case h.Flags&unknownFlags != 0:
		return headerError("unknown flags %#x", h.Flags&unknownFlags)
	case h.Flags&FlagMarkers != 0 && h.Flags&FlagCompressed == 0:
		return headerError("markers without compression")
	case h.Compression > 1:
		return headerError("unknown compression %d", h.Compression)
	}
	return nil
}

func headerError(format string, args ...any) error {
	return fmt.Errorf("vmdk: "+format+": %w", append(args, ErrBadHeader)...)
}
