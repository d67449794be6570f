package format

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// ID names the content of a grain or a node. The zero ID names a hole.
type ID [32]byte

// IsZero tells whether id names a hole.
func (id ID) IsZero() bool { return id == ID{} }

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// SessionID names one running writer, its packs and its generation.
type SessionID [16]byte

// NewSessionID draws an ID from the system's secure random source.
func NewSessionID() SessionID {
	var s SessionID
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(s[:])
	return s
}

func (s SessionID) String() string { return hex.EncodeToString(s[:]) }

// ParseSessionID reads the 32 lower-case hexadecimal digits of an object name.
func ParseSessionID(text string) (SessionID, error) {
	var s SessionID
	if len(text) != hex.EncodedLen(len(s)) {
		return s, fmt.Errorf("session ID %q: want 32 hexadecimal digits", text)
	}
	if _, err := hex.Decode(s[:], []byte(text)); err != nil || s.String() != text {
		return s, fmt.Errorf("session ID %q: want 32 lower-case hexadecimal digits", text)
	}
	return s, nil
}

const (
	nodeContext   = "granary 2026-11 node v1"
	recordContext = "granary 2026-11 record v1"
	tableContext  = "granary 2026-11 table v1"
)

// Hasher gives IDs. It is not safe for concurrent use: one a goroutine, since
// making one costs more than hashing a small grain.
type Hasher struct {
	grain *blake3.Hasher
	node  *blake3.Hasher
}

// NewHasher returns a hasher for repositories without encryption.
func NewHasher() *Hasher {
	return &Hasher{grain: blake3.New(), node: blake3.NewDeriveKey(nodeContext)}
}

// ID returns the ID of b as content of a pack of the given kind. Zeros have
// the zero ID.
func (h *Hasher) ID(kind PackKind, b []byte) ID {
	if IsZero(b) {
		return ID{}
	}
	hasher := h.grain
	if kind == Nodes {
		hasher = h.node
	}
	hasher.Reset()
	_, _ = hasher.Write(b) // never fails
	var id ID
	hasher.Sum(id[:0])
	return id
}

var zeros [MaxGrain]byte

// IsZero tells whether b holds zeros only.
func IsZero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}
