package repo

import (
	"context"
	"sync"
)

// Grains that lie near each other in a pack are read in one go: over gaps of
// up to runGap bytes, and up to runBytes.
const (
	runGap   = 128 << 10
	runBytes = 4 << 20
)

// runEnd is the end of the run that begins at grain i.
func runEnd(grains []wanted, i int) int {
	first := grains[i].place
	end := first.Offset + first.Stored
	for i++; i < len(grains); i++ {
		p := grains[i].place
		if p.Pack != first.Pack || p.Offset < end || p.Offset-end > runGap || p.Offset+p.Stored-first.Offset > runBytes {
			break
		}
		end = p.Offset + p.Stored
	}
	return i
}

// storedRun is what is stored of a run of grains. Release it.
type storedRun struct {
	bytes  []byte
	offset uint32 // in the pack
	buffer *[]byte
}

// runBuffers hold the bytes of runs.
var runBuffers = sync.Pool{New: func() any { return new([]byte) }}

// readRun reads a run in one go. With an error there is nothing to release.
func (r *Repo) readRun(ctx context.Context, run []wanted) (storedRun, error) {
	first, last := run[0].place, run[len(run)-1].place
	size := int(last.Offset + last.Stored - first.Offset)
	s := storedRun{offset: first.Offset, buffer: runBuffers.Get().(*[]byte)}
	if cap(*s.buffer) < size {
		*s.buffer = make([]byte, size)
	}
	s.bytes = (*s.buffer)[:size]
	if err := r.readPack(ctx, first.Pack, s.bytes, first.Offset); err != nil {
		s.release()
		return storedRun{}, err
	}
	return s, nil
}

// of is what is stored of one grain of the run.
func (s storedRun) of(w wanted) []byte {
	at := w.place.Offset - s.offset
	return s.bytes[at : at+w.place.Stored]
}

func (s storedRun) release() { runBuffers.Put(s.buffer) }
