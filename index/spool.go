package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"granary/repo/format"
)

// A spool takes grains in any order and gives them back in the order of their
// IDs. It parts them by the first bits of the ID, and sorts one part at a time:
// IDs are hashes, so that the parts are of one size.
//
// Memory: at most 32 MiB while it is filled, then that of a part, which is 6 MB
// where there are 10^8 grains.
type spool struct {
	file  *os.File
	size  int64
	parts []spoolPart
	shift int // of an ID's first two bytes, to get its part
}

// spoolPart is a part of the grains: blocks of blockSize bytes in the file, and
// the block that is being filled.
type spoolPart struct {
	blocks []int64 // where they begin
	filled []byte
}

const (
	blockSize     = 32 << 10
	mostPartBits  = 10
	grainsPerPart = 1 << 16 // or more, once there are 2^mostPartBits parts
)

// A record is an ID, the length of the value in one byte, and the value.
const recordHead = len(format.ID{}) + 1

func newSpool(dir string, grains int) (*spool, error) {
	bits := 0
	for bits < mostPartBits && grains>>bits > grainsPerPart {
		bits++
	}
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return nil, err
	}
	return &spool{file: f, parts: make([]spoolPart, 1<<bits), shift: 16 - bits}, nil
}

func (s *spool) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }

func (s *spool) add(id format.ID, value []byte) error {
	part := &s.parts[be.Uint16(id[:])>>s.shift]
	if part.filled == nil {
		part.filled = make([]byte, 0, blockSize)
	}
	record := append(append(append(make([]byte, 0, 128), id[:]...), byte(len(value))), value...)
	n := min(len(record), blockSize-len(part.filled))
	part.filled = append(part.filled, record[:n]...)
	if len(part.filled) == blockSize {
		if _, err := s.file.WriteAt(part.filled, s.size); err != nil {
			return err
		}
		part.blocks = append(part.blocks, s.size)
		s.size += blockSize
		part.filled = append(part.filled[:0], record[n:]...)
	}
	return nil
}

// sorted yields the grains by ID, each ID once. What it yields is valid until the
// next.
func (s *spool) sorted() iter.Seq2[spooled, error] {
	return func(yield func(spooled, error) bool) {
		var buf []byte
		var records []spooled
		for i := range s.parts {
			var err error
			if buf, err = s.read(&s.parts[i], buf[:0]); err != nil {
				yield(spooled{}, fmt.Errorf("read %s: %w", s.file.Name(), err))
				return
			}
			records = records[:0]
			for left := buf; len(left) > 0; {
				end := recordHead + int(left[recordHead-1])
				records = append(records, spooled{left[:recordHead-1], left[recordHead:end]})
				left = left[end:]
			}
			slices.SortFunc(records, spooled.compare)
			for i, r := range records {
				if (i == 0 || !bytes.Equal(r.id, records[i-1].id)) && !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (s *spool) read(part *spoolPart, buf []byte) ([]byte, error) {
	for _, at := range part.blocks {
		buf = append(buf, make([]byte, blockSize)...)
		if _, err := s.file.ReadAt(buf[len(buf)-blockSize:], at); err != nil {
			return nil, err
		}
	}
	return append(buf, part.filled...), nil
}

// spooled is a grain's ID and the value that the database keeps of it.
type spooled struct{ id, value []byte }

// compare sorts by ID. Of one ID a whole grain is before a patch, whose value is
// longer, as Merge has it; then what came later.
func (a spooled) compare(b spooled) int {
	return cmp.Or(bytes.Compare(a.id, b.id), cmp.Compare(len(a.value), len(b.value)), bytes.Compare(b.value, a.value))
}
