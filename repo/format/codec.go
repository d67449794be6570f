package format

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/zeebo/blake3"
)

var le = binary.LittleEndian

func appendString(b []byte, s string) []byte {
	b = le.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// fits refuses strings that a u16 length cannot carry.
func fits(what, s string) error {
	if len(s) > math.MaxUint16 {
		return fmt.Errorf("%s is %d bytes long, more than %d", what, len(s), math.MaxUint16)
	}
	return nil
}

// cursor reads fields off a payload; after the first that is missing it
// returns zeros and keeps the error.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) bytes(n int) []byte {
	if c.err == nil && n > len(c.b) {
		c.err = fmt.Errorf("%w: ends early", ErrCorrupt)
	}
	if c.err != nil {
		return nil
	}
	field := c.b[:n]
	c.b = c.b[n:]
	return field
}

func (c *cursor) fixed(into []byte) { copy(into, c.bytes(len(into))) }

func (c *cursor) u8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.bytes(2); b != nil {
		return le.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

func (c *cursor) i64() int64 { return int64(c.u64()) }

func (c *cursor) str() string { return string(c.bytes(int(c.u16()))) }

// zero refuses n reserved bytes that are not zero.
func (c *cursor) zero(n int) {
	if !IsZero(c.bytes(n)) {
		c.fail("reserved bytes are set")
	}
}

// count reads a u32 and refuses one over limit, or one that the bytes left
// cannot hold at least bytes each: no allocation follows a lie.
func (c *cursor) count(what string, limit, least int) int {
	n := int(c.u32())
	if c.err == nil && (n > limit || n*least > len(c.b)) {
		c.fail("impossible count of " + what)
	}
	if c.err != nil {
		return 0
	}
	return n
}

func (c *cursor) fail(why string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrCorrupt, why)
	}
}

// end gives the first error, or one for bytes that nothing read.
func (c *cursor) end() error {
	if c.err == nil && len(c.b) > 0 {
		c.fail("bytes left over")
	}
	return c.err
}

// checksum binds parts to the name of the object that they are in.
func checksum(context, name string, parts ...[]byte) [32]byte {
	h := blake3.NewDeriveKey(context)
	_, _ = h.Write(appendString(nil, name))
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}
