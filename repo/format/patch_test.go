package format

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// What differs by whole sectors, and nothing else, is in a patch.
func TestPatchesHoldTheChangedSectors(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, plain := range []int{1, 511, 512, 513, 4096, 4097, MinGrain, DefaultGrain - 1, DefaultGrain, MaxGrain} {
		base := make([]byte, plain)
		for i := range base {
			base[i] = byte(random.Uint32())
		}
		sectors := (plain + SectorSize - 1) / SectorSize
		for _, changes := range []int{1, 3, sectors} {
			grain := bytes.Clone(base)
			want := patchMap(plain)
			changed := random.Perm(sectors)[:min(changes, sectors)]
			for _, s := range changed {
				sector := grain[s*SectorSize : min((s+1)*SectorSize, plain)]
				sector[random.IntN(len(sector))]++
				want += len(sector)
			}
			patch := AppendPatch(nil, base, grain)
			if len(patch) != want || len(patch) > MaxPatch(plain) {
				t.Errorf("%d of %d sectors changed: a patch of %d bytes, want %d", len(changed), sectors, len(patch), want)
			}
			got := bytes.Clone(base)
			if err := ApplyPatch(got, patch); err != nil || !bytes.Equal(got, grain) {
				t.Errorf("%d of %d sectors changed: other bytes, %v", len(changed), sectors, err)
			}
		}
	}
}

func TestPatchRefusals(t *testing.T) {
	sector := make([]byte, SectorSize)
	for what, c := range map[string]struct {
		plain int
		patch []byte
	}{
		"nothing":                  {plain: 512},
		"half a map":               {plain: DefaultGrain, patch: make([]byte, 15)},
		"no sector":                {plain: 512, patch: []byte{0}},
		"a sector past the end":    {plain: 512, patch: append([]byte{2}, sector...)},
		"a sector cut short":       {plain: 512, patch: append([]byte{1}, sector[1:]...)},
		"a byte left over":         {plain: 512, patch: append([]byte{1, 0}, sector...)},
		"a short sector too long":  {plain: 513, patch: append([]byte{2}, sector...)},
		"a sector that is missing": {plain: 1024, patch: append([]byte{3}, sector...)},
	} {
		t.Run(what, func(t *testing.T) { refused(t, ApplyPatch(make([]byte, c.plain), c.patch), ErrCorrupt) })
	}
}
