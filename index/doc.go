// Package index finds grains: it maps a grain's ID to the pack and offset
// where its bytes lie, in a Badger database.
//
// It is a cache of the packs' tables of contents and never the truth: it may
// be deleted at any time, and what cannot be read is thrown away (Merge and
// View then start from an empty one). Badger admits one writer or several
// readers, so nobody keeps it: View opens it read-only and lets go a moment
// after the last use, Merge takes it for one short write. Lock files keep the
// two apart, between processes too, in the order in which they came; whoever
// meets a lock waits, and no lock error reaches a caller.
//
// Start from Open, View and Merge; Lend is for packs of sessions that have not
// committed yet.
package index

import "granary/repo/format"

// Place is where a grain's bytes lie.
type Place struct {
	Pack     format.PackName
	Offset   uint32 // of the stored bytes, from the start of the pack
	Stored   uint32 // bytes
	Plain    uint32 // bytes once decoded
	Encoding format.Encoding
	// Base is, where the grain is stored as a patch, the grain that it applies
	// to; else zero.
	Base format.ID
}

// IsZero tells whether there is no such place.
func (p Place) IsZero() bool { return p.Stored == 0 }

// IsPatch tells whether the grain is stored as a patch.
func (p Place) IsPatch() bool { return !p.Base.IsZero() }

// Places gives the place of each grain of a pack, in the table's order.
func Places(t format.PackTable) []Place {
	places := make([]Place, len(t.Entries))
	offset := uint32(format.PackHeaderSize)
	for i, e := range t.Entries {
		places[i] = Place{Pack: t.Name, Offset: offset, Stored: e.Stored, Plain: e.Plain, Encoding: e.Encoding, Base: e.Base}
		offset += e.Stored
	}
	return places
}
