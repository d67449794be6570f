package guest

import (
	"errors"
	"testing"
)

func TestRecordRoundTrip(t *testing.T) {
	want := Record{ID: NewID("web"), Disk: 1, Disks: 3, Seq: 7_000_000_000, Boots: 4, Flag: Suspended}
	got, err := decodeRecord(want.encode())
	if err != nil || got != want {
		t.Fatalf("decodeRecord = %+v, %v; want %+v", got, err, want)
	}
}

func TestRecordDamage(t *testing.T) {
	page := Record{ID: NewID("web"), Disks: 1, Seq: 9, Flag: Running}.encode()
	for _, at := range []int{0, offID, offSeq, offCRC, offPattern, 512, RecordSize - 1} {
		damaged := append([]byte(nil), page...)
		damaged[at] ^= 1
		if _, err := decodeRecord(damaged); !errors.Is(err, errBad) {
			t.Errorf("bit flipped at %d: error %v, want errBad", at, err)
		}
	}
	torn := append([]byte(nil), page...)
	copy(torn[2048:], Record{ID: NewID("web"), Disks: 1, Seq: 10, Flag: Running}.encode()[2048:])
	if _, err := decodeRecord(torn); !errors.Is(err, errBad) {
		t.Errorf("halves of two stamps: error %v, want errBad", err)
	}
	if _, err := decodeRecord(make([]byte, RecordSize)); !errors.Is(err, errBlank) {
		t.Errorf("zeros: error %v, want errBlank", err)
	}
}
