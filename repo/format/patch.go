package format

import (
	"bytes"
	"fmt"
)

// SectorSize is what a patch is made of: a disk changes by whole sectors.
const SectorSize = 512

// MaxPatch is the length of the longest patch of a grain of so many bytes.
func MaxPatch(plain int) int { return patchMap(plain) + plain }

// patchMap is the length of a patch's map.
func patchMap(plain int) int {
	sectors := (plain + SectorSize - 1) / SectorSize
	return (sectors + 7) / 8
}

// AppendPatch appends the patch that makes grain of base, which has the same
// length and other bytes.
func AppendPatch(out, base, grain []byte) []byte {
	at := len(out)
	out = append(out, make([]byte, patchMap(len(grain)))...)
	for i, off := 0, 0; off < len(grain); i, off = i+1, off+SectorSize {
		sector := grain[off:min(off+SectorSize, len(grain))]
		if !bytes.Equal(sector, base[off:off+len(sector)]) {
			out[at+i/8] |= 1 << (i % 8)
			out = append(out, sector...)
		}
	}
	return out
}

// ApplyPatch turns base into the patched grain, in place. After an error,
// ErrCorrupt, it is neither.
func ApplyPatch(base, patch []byte) error {
	c := cursor{b: patch}
	bits := c.bytes(patchMap(len(base)))
	if c.err != nil {
		return fmt.Errorf("patch: %w", c.err)
	}
	sectors := (len(base) + SectorSize - 1) / SectorSize
	any := false
	for i := range len(bits) * 8 {
		if bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		any = true
		if i >= sectors {
			c.fail("sector past the end")
			break
		}
		off := i * SectorSize
		c.fixed(base[off:min(off+SectorSize, len(base))])
	}
	if !any {
		c.fail("it changes nothing")
	}
	if err := c.end(); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	return nil
}
