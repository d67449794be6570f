//go:build !cgo

package repo

import (
	"github.com/klauspost/compress/zstd"

	"granary/repo/format"
)

// compressor compresses where granary is built without C. It is not safe for
// concurrent use.
type compressor struct{ encoder *zstd.Encoder }

func newCompressor() compressor {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(format.MaxGrain), zstd.WithLowerEncoderMem(true), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // the options are constants
	}
	return compressor{encoder}
}

// appendTo appends one frame that holds form.
func (c compressor) appendTo(out, form []byte) []byte { return c.encoder.EncodeAll(form, out) }
