// Package direct reads and writes large files past the page cache: a disk that
// is backed up is read once, and a pack is not read soon. To copy them through
// the cache costs a sixth of a capture's processor time, and pushes out of it
// what the host's other programs had there.
//
// Where the file system cannot, or the memory or the offset is not aligned, all
// goes through the cache as ever: callers see no difference but speed. Start
// from Buffer, Reader and Write. On systems other than Linux everything goes
// through the cache.
package direct

import "unsafe"

// Alignment is what memory, offsets and lengths have to be multiples of.
const Alignment = 4096

// Buffer returns n bytes of zeros at an aligned address, with room up to the
// next multiple of Alignment.
func Buffer(n int) []byte {
	room := (n + Alignment - 1) / Alignment * Alignment
	b := make([]byte, room+Alignment)
	skip := 0
	if over := address(b) % Alignment; over != 0 {
		skip = int(Alignment - over)
	}
	return b[skip : skip+n : skip+room]
}

// aligned tells whether p begins at an aligned address.
func aligned(p []byte) bool { return len(p) > 0 && address(p)%Alignment == 0 }

func address(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
