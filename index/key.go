package index

import (
	"encoding/binary"
	"errors"

	"granary/repo/format"
)

// Keys of the database:
//
//	'g' ID                  -> place: pack number here u32, offset, stored, plain u32, encoding u8,
//	                           and of a patch the base's ID
//	'n' pack number here    -> pack name
//	'p' pack name           -> pack number here: this pack is merged
//	'v'                     -> layout version; another one is thrown away
//
// Packs get numbers of this database so that a grain costs 17 bytes, not 33.
const (
	grainKey   = 'g'
	numberKey  = 'n'
	packKey    = 'p'
	versionKey = 'v'

	layoutVersion = 1
)

var be = binary.BigEndian

var errBadValue = errors.New("index holds a value of the wrong form")

func appendGrainKey(b []byte, id format.ID) []byte {
	return append(append(b, grainKey), id[:]...)
}

func appendNumberKey(b []byte, n uint32) []byte {
	return be.AppendUint32(append(b, numberKey), n)
}

func appendPackKey(b []byte, p format.PackName) []byte {
	return appendPackName(append(b, packKey), p)
}

func appendPackName(b []byte, p format.PackName) []byte {
	return be.AppendUint32(append(b, p.Session[:]...), p.Number)
}

func parsePackName(b []byte) (format.PackName, error) {
	var p format.PackName
	if len(b) != len(p.Session)+4 {
		return p, errBadValue
	}
	copy(p.Session[:], b)
	p.Number = be.Uint32(b[len(p.Session):])
	return p, nil
}

func appendPlace(b []byte, number uint32, p Place) []byte {
	b = be.AppendUint32(b, number)
	b = be.AppendUint32(b, p.Offset)
	b = be.AppendUint32(b, p.Stored)
	b = be.AppendUint32(b, p.Plain)
	b = append(b, byte(p.Encoding))
	if p.IsPatch() {
		b = append(b, p.Base[:]...)
	}
	return b
}

// The lengths of a place without and with a base.
const (
	placeSize = 17
	patchSize = placeSize + len(format.ID{})
)

func parsePlace(b []byte) (number uint32, p Place, err error) {
	if len(b) != placeSize && len(b) != patchSize {
		return 0, p, errBadValue
	}
	p = Place{Offset: be.Uint32(b[4:]), Stored: be.Uint32(b[8:]), Plain: be.Uint32(b[12:]), Encoding: format.Encoding(b[16])}
	most := p.Plain
	if len(b) == patchSize {
		copy(p.Base[:], b[placeSize:])
		most = uint32(format.MaxPatch(int(p.Plain)))
	}
	if p.Plain > format.MaxGrain || p.Stored == 0 || p.Stored > most || uint64(p.Offset)+uint64(p.Stored) > format.MaxPackSize {
		return 0, Place{}, errBadValue
	}
	return be.Uint32(b), p, nil
}
