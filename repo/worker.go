package repo

import (
	"github.com/klauspost/compress/zstd"

	"granary/repo/format"
)

// worker holds what is dear to make and cannot be shared: one a goroutine.
type worker struct {
	hasher  *format.Hasher
	encoder *zstd.Encoder
}

func newWorker() *worker {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(format.MaxGrain), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return &worker{hasher: format.NewHasher(), encoder: encoder}
}

// encode appends the stored form of a grain to out, and returns its entry.
// What compression saves less than a sixteenth of is stored as it is: it
// reads back faster.
func (w *worker) encode(id format.ID, plain, out []byte) (format.Entry, []byte) {
	from := len(out)
	entry := format.Entry{ID: id, Plain: uint32(len(plain)), Encoding: format.Zstd}
	out = w.encoder.EncodeAll(plain, out)
	if len(out)-from > len(plain)-len(plain)/16 {
		out = append(out[:from], plain...)
		entry.Encoding = format.Raw
	}
	entry.Stored = uint32(len(out) - from)
	return entry, out
}
