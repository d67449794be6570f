package vmdk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// tableChunk is how much of a grain directory or table is read at once.
const tableChunk = 64 << 10

// CheckWhole reads the tables of a sparse extent, of type SPARSE or VMFSSPARSE
// and a file of size bytes, and returns ErrTruncated unless the file holds each
// grain that they name; ErrBadHeader for a damaged header or tables; else the
// error of reading. What the grains contain is not looked at. It reads 4 bytes
// for each grain of the disk that has a table, never more than the file has, and
// keeps at most 64 KiB of them.
func CheckWhole(r io.ReaderAt, size int64) error {
	head, err := readRange(r, 0, min(size, cowdHeaderSize))
	if err != nil {
		return fmt.Errorf("vmdk: read extent header: %w", err)
	}
	t := tables{r: r, size: size}
	if len(head) >= len(cowdMagic) && string(head[:4]) == cowdMagic {
		h, err := ParseCOWDHeader(head)
		if err != nil {
			return err
		}
		t.capacity, t.grain, t.perTable = int64(h.Capacity), int64(h.GrainSize), cowdGTEs
		return t.check(int64(h.GDOffset))
	}
	h, err := ParseSparseHeader(head)
	if err == nil && h.GDOffset == GDAtEnd {
		h, err = readFooter(r, size)
	}
	if err != nil {
		return err
	}
	t.capacity, t.grain, t.perTable = h.Capacity, h.GrainSize, int64(h.GTEsPerGT)
	t.compressed = h.Flags&FlagCompressed != 0
	return t.check(h.GDOffset)
}

// readFooter reads the copy of the header that a stream-optimized extent ends
// with.
func readFooter(r io.ReaderAt, size int64) (*SparseHeader, error) {
	const fromEnd = 2 * SectorSize
	if size < fromEnd {
		return nil, truncated("%d bytes leave no room for a footer", size)
	}
	b, err := readRange(r, size-fromEnd, sparseHeaderSize)
	if err != nil {
		return nil, fmt.Errorf("vmdk: read extent footer: %w", err)
	}
	h, err := ParseSparseHeader(b)
	if err != nil || h.GDOffset == GDAtEnd {
		return nil, truncated("no footer where the grain directory should be told")
	}
	return h, nil
}

// tables are the grain directory and grain tables of a sparse extent; all
// numbers but size are sectors or entries.
type tables struct {
	r                         io.ReaderAt
	size                      int64 // of the file, in bytes
	capacity, grain, perTable int64
	compressed                bool  // a grain is shorter than the disk's, and tells how long
	read                      int64 // bytes of tables so far
}

// check looks at each grain whose table the directory at a sector names.
func (t *tables) check(directory int64) error {
	span := t.grain * t.perTable
	return t.each(directory, (t.capacity+span-1)/span, func(i, table int64) error {
		first := i * t.perTable // of the grains, on the disk
		count := min(t.perTable, (t.capacity+t.grain-1)/t.grain-first)
		return t.each(table, count, func(j, sector int64) error {
			return t.checkGrain((first+j)*t.grain, sector)
		})
	})
}

// checkGrain looks at the grain that begins at sectors of the disk and of the
// file.
func (t *tables) checkGrain(onDisk, sector int64) error {
	if sector == 1 {
		return nil // a grain of zeros, which has no place in the file
	}
	start := sector * SectorSize
	length := min(t.grain, t.capacity-onDisk) * SectorSize
	if t.compressed {
		// The marker is the disk's sector, 8 bytes, and the length of the data.
		const marker = 12
		if start > t.size-marker {
			return truncated("the grain of sector %d begins at byte %d, the file has %d", onDisk, start, t.size)
		}
		b, err := readRange(t.r, start, marker)
		if err != nil {
			return fmt.Errorf("vmdk: read grain marker: %w", err)
		}
		length = marker + int64(binary.LittleEndian.Uint32(b[8:]))
	}
	if start > t.size-length {
		return truncated("the grain of sector %d ends at byte %d, the file has %d", onDisk, start+length, t.size)
	}
	return nil
}

// each calls do with the index and value of each entry but 0 of a table of count
// entries that begins at a sector.
func (t *tables) each(sector, count int64, do func(i, entry int64) error) error {
	const entry = 4
	start := sector * SectorSize // maxSectors and 32 bits keep it in an int64
	if count*entry > t.size || start > t.size-count*entry {
		return truncated("a table of %d entries at byte %d ends beyond the file's %d", count, start, t.size)
	}
	for done := int64(0); done < count; {
		n := min(count-done, tableChunk/entry)
		if t.read += n * entry; t.read > t.size {
			return headerError("the tables share their place in the file")
		}
		b, err := readRange(t.r, start+done*entry, n*entry)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return truncated("the file shrank while it was read")
		}
		if err != nil {
			return fmt.Errorf("vmdk: read grain table: %w", err)
		}
		for i := range n {
			if value := int64(binary.LittleEndian.Uint32(b[i*entry:])); value != 0 {
				if err := do(done+i, value); err != nil {
					return err
				}
			}
		}
		done += n
	}
	return nil
}

func truncated(format string, args ...any) error {
	return fmt.Errorf("vmdk: "+format+": %w", append(args, ErrTruncated)...)
}
