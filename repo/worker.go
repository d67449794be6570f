package repo

import (
	"github.com/klauspost/compress/zstd"

	"granary/repo/format"
)

// worker holds what is dear to make and cannot be shared: one a goroutine.
type worker struct {
	hasher  *format.Hasher
	encoder *zstd.Encoder
	patched []byte // what patch made
}

func newWorker() *worker {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(format.MaxGrain), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &worker{hasher: format.NewHasher(), encoder: encoder}
}

// encode appends the stored form of a grain, or of a patch, to out, and says in
// its entry what that is. What compression saves less than a sixteenth of is
// stored as it is: it reads back faster.
func (w *worker) encode(e *format.Entry, form, out []byte) []byte {
	from := len(out)
	e.Encoding = format.Zstd
	out = w.encoder.EncodeAll(form, out)
	if len(out)-from > len(form)-len(form)/16 {
		out = append(out[:from], form...)
		e.Encoding = format.Raw
	}
	e.Stored = uint32(len(out) - from)
	return out
}

// patch leaves in w.patched what makes grain of base, and tells whether that is
// worth it: who reads the grain has to read both.
func (w *worker) patch(base, grain []byte) bool {
	w.patched = format.AppendPatch(w.patched[:0], base, grain)
	return len(w.patched) <= len(grain)/2
}
