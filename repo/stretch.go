package repo

import (
	"fmt"
	"io"

	"granary/repo/format"
)

// Stretch is a run of a file's bytes, lent by the cache that they lie in: nothing
// is copied. Release it when they are used.
type Stretch struct {
	// Parts are the bytes, in order. They must not be written to.
	Parts [][]byte

	cache *grainCache
	lent  [][]*cachedGrain
}

// Release gives the bytes back. Parts must not be used any more.
func (s *Stretch) Release() {
	for _, grains := range s.lent {
		s.cache.release(grains)
	}
	s.Parts, s.lent = nil, nil
}

// zeros are the parts of holes.
var zeros [64 << 10]byte

// Stretch gives up to n bytes of the file from off on, fewer at the file's end.
// With an error it has the bytes before it; release it all the same. Errors are
// those of ReadAt.
func (f *File) Stretch(off int64, n int) (*Stretch, error) {
	s := &Stretch{cache: f.repo.grains}
	if off < 0 {
		return s, fmt.Errorf("read %q: negative offset", f.entry.Path)
	}
	if off >= f.tree.Size {
		return s, io.EOF
	}
	n = int(min(int64(n), f.tree.Size-off))
	scan := f.readAhead(off, n)
	leafBytes := int64(format.Fanout) * int64(f.tree.Grain)
	for end := off + int64(n); off < end; {
		next := min(end, (off/leafBytes+1)*leafBytes)
		if err := f.stretchLeaf(s, off, next, scan); err != nil {
			return s, err
		}
		off = next
	}
	return s, nil
}

// stretchLeaf adds the bytes from off to end, all within one leaf node.
func (f *File) stretchLeaf(s *Stretch, off, end int64, scan bool) error {
	grain := int64(f.tree.Grain)
	first, last := off/grain, (end-1)/grain
	entries, err := f.load(f.repo.life, first, int(last-first+1), scan)
	if err != nil {
		return f.locate(err, off)
	}
	s.lent = append(s.lent, entries)
	for off < end {
		i := off / grain
		from, to := int(off%grain), int(min(grain, end-i*grain))
		g := entries[i-first]
		if g != nil {
			<-g.ready
			err := g.err
			if err == nil && len(g.plain) != f.tree.GrainLen(i) {
				err = fmt.Errorf("%w: grain of %d bytes where %d belong", format.ErrCorrupt, len(g.plain), f.tree.GrainLen(i))
			}
			if err != nil {
				return f.locate(err, i*grain)
			}
			s.Parts = append(s.Parts, g.plain[from:to])
		}
		for left := to - from; g == nil && left > 0; left -= len(zeros) {
			s.Parts = append(s.Parts, zeros[:min(left, len(zeros))])
		}
		off += int64(to - from)
	}
	return nil
}
