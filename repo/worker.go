package repo

import "granary/repo/format"

// worker holds what is dear to make and cannot be shared: one a goroutine.
type worker struct {
	hasher     *format.Hasher
	compressor compressor
	patched    []byte // what patch made
}

func newWorker() *worker {
	return &worker{hasher: format.NewHasher(), compressor: newCompressor()}
}

// encode appends the stored form of a grain, or of a patch, to out, and says in
// its entry what that is. What compression saves less than a sixteenth of is
// stored as it is: it reads back faster.
func (w *worker) encode(e *format.Entry, form, out []byte) []byte {
	from := len(out)
	e.Encoding = format.Zstd
	out = w.compressor.appendTo(out, form)
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
