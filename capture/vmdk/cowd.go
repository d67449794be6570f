package vmdk

import "encoding/binary"

const (
	cowdMagic      = "COWD"
	cowdHeaderSize = 2048
	cowdGTEs       = 4096 // entries in a grain table
)

// COWDHeader is the header of ESX's copy-on-write extent, magic COWD, the type
// VMFSSPARSE of an extent line. Its grain tables have 4096 entries of 4 bytes.
type COWDHeader struct {
	Version    uint32 // 1
	Flags      uint32 // 3 in all known files
	Capacity   uint32 // sectors of the disk that the extent covers
	GrainSize  uint32 // sectors, a power of two; often 1
	GDOffset   uint32 // sectors from the start of the file, to the grain directory
	GDEntries  uint32 // entries, of 4 bytes, in the grain directory
	NextSector uint32 // sectors from the start of the file, to where the next grain goes
}

// ParseCOWDHeader reads and checks the header that b, at least 2048 bytes,
// begins with. All of its errors are ErrBadHeader.
func ParseCOWDHeader(b []byte) (*COWDHeader, error) {
	if len(b) < cowdHeaderSize {
		return nil, headerError("COWD header truncated to %d bytes", len(b))
	}
	if string(b[:4]) != cowdMagic {
		return nil, headerError("COWD header begins with %q", b[:4])
	}
	h := &COWDHeader{
		Version:    binary.LittleEndian.Uint32(b[4:]),
		Flags:      binary.LittleEndian.Uint32(b[8:]),
		Capacity:   binary.LittleEndian.Uint32(b[12:]),
		GrainSize:  binary.LittleEndian.Uint32(b[16:]),
		GDOffset:   binary.LittleEndian.Uint32(b[20:]),
		GDEntries:  binary.LittleEndian.Uint32(b[24:]),
		NextSector: binary.LittleEndian.Uint32(b[28:]),
	}
	switch {
	case h.Version != 1:
		return nil, headerError("COWD header of unknown version %d", h.Version)
	case h.GrainSize == 0 || h.GrainSize > maxGrainSectors || h.GrainSize&(h.GrainSize-1) != 0:
		return nil, headerError("grain size of %d sectors is not a power of two up to %d", h.GrainSize, maxGrainSectors)
	case h.GDOffset < cowdHeaderSize/SectorSize:
		return nil, headerError("grain directory at sector %d lies in the COWD header", h.GDOffset)
	case h.GDEntries > maxGDEntries:
		return nil, headerError("grain directory of %d entries is too large", h.GDEntries)
	}
	return h, nil
}
