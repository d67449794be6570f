//go:build cgo

package repo

import (
	"slices"

	"github.com/DataDog/zstd"
)

// compressionLevel is the cheapest of those that are measured to save the most
// for each second: 1.7 times as fast as the compressor in Go, and 4% smaller.
const compressionLevel = 2

// compressor is the reference compressor of zstd. It is not safe for concurrent
// use. Frames are decoded in Go alone, where damaged ones can do no harm.
type compressor struct{ context zstd.Ctx }

func newCompressor() compressor { return compressor{zstd.NewCtx()} }

// appendTo appends one frame that holds form. What cannot be compressed, for
// want of memory, is appended as it is.
func (c compressor) appendTo(out, form []byte) []byte {
	out = slices.Grow(out, zstd.CompressBound(len(form)))
	frame, err := c.context.CompressLevel(out[len(out):], form, compressionLevel)
	if err != nil {
		frame = form
	}
	// In place, unless it is form.
	return append(out, frame...)
}
