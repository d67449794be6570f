package vmdk

import (
	"fmt"
	"strconv"
	"strings"
)

// Extent is a range of a disk, and where its content lies. Extents follow one
// another without a gap.
type Extent struct {
	// Access is RW, RDONLY or NOACCESS.
	Access string
	// Sectors is the size of the range, in sectors.
	Sectors int64
	// Type is how File holds the content, in upper case: FLAT or VMFS as it is,
	// SPARSE under a [SparseHeader], VMFSSPARSE under a [COWDHeader], ZERO not
	// at all. Others exist.
	Type string
	// File names the file, relative to the descriptor or absolute, as written
	// and in the descriptor's Encoding. It is "" for ZERO, and only there.
	File string
	// Offset is where in File the content begins, in sectors. It is 0 for
	// nearly all but the extents of devices.
	Offset int64
}

// isExtentLine reports whether a line begins as an extent line must.
func isExtentLine(line string) bool {
	access, rest := cutWord(line)
	switch strings.ToUpper(access) {
	case "RW", "RDONLY", "NOACCESS":
		return rest != ""
	}
	return false
}

// parseExtent reads a line that isExtentLine approves of:
//
//	RW 4192256 SPARSE "test-s001.vmdk"
//	RW 2048 FLAT "test-flat.vmdk" 0
//	RW 2168775 ZERO
//	RW 63 FLAT "\\.\PhysicalDrive0" 63 partitionUUID \\?\Volume{…}
func parseExtent(line string) (Extent, error) {
	var e Extent
	var sectors string
	e.Access, line = cutWord(line)
	sectors, line = cutWord(line)
	e.Type, line = cutWord(line)
	e.Access, e.Type = strings.ToUpper(e.Access), strings.ToUpper(e.Type)

	var err error
	if e.Sectors, err = parseSectors(sectors); err != nil {
		return Extent{}, fmt.Errorf("size %w", err)
	}
	if e.Type == "" || strings.Contains(e.Type, `"`) {
		return Extent{}, fmt.Errorf("no extent type before %s", excerpt(e.Type+line))
	}
	// There is nothing to read for a ZERO extent, though some tools name the
	// partition that it hides.
	if e.Type == "ZERO" {
		return e, nil
	}
	if e.File, line, err = cutQuoted(line); err != nil {
		return Extent{}, err
	}
	if e.File == "" {
		return Extent{}, fmt.Errorf("empty file name")
	}

	// Words after the offset, such as a partition's UUID, do not matter here.
	offset, _ := cutWord(line)
	if offset != "" && strings.IndexByte("0123456789+-", offset[0]) >= 0 {
		if e.Offset, err = parseSectors(offset); err != nil {
			return Extent{}, fmt.Errorf("offset %w", err)
		}
	}
	if e.Offset > maxSectors-e.Sectors {
		return Extent{}, fmt.Errorf("ends beyond the largest possible file")
	}
	return e, nil
}

// parseSectors reads a count of sectors whose bytes fit an int64.
func parseSectors(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number of sectors", excerpt(s))
	}
	if n > maxSectors {
		return 0, fmt.Errorf("%d sectors is too large", n)
	}
	return int64(n), nil
}

// checkCapacity makes sure that all extents together are a size in bytes.
func checkCapacity(extents []Extent) error {
	var sum int64
	for _, e := range extents {
		if sum += e.Sectors; sum > maxSectors {
			return fmt.Errorf("extents exceed the largest possible disk")
		}
	}
	return nil
}
