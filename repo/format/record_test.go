package format

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
)

// refused checks that err is the class wanted, and of no other.
func refused(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
	for _, other := range []error{ErrNotRepository, ErrNewer, ErrCorrupt} {
		if other != want && errors.Is(err, other) {
			t.Errorf("%v is %v too", err, other)
		}
	}
}

// Each content has one encoding.
func TestParsedObjectsEncodeToTheSameBytes(t *testing.T) {
	for _, o := range append(records(t), packs()...) {
		t.Run(o.name, func(t *testing.T) {
			if got, err := o.reparse(o.bytes); err != nil || !bytes.Equal(got, o.bytes) {
				t.Errorf("encoded again:\n%x, %v, want\n%x", got, err, o.bytes)
			}
		})
	}
}

func TestEachFlippedByteOfARecordIsRefused(t *testing.T) {
	for _, o := range records(t) {
		t.Run(o.name, func(t *testing.T) {
			for i := range o.bytes {
				for _, mask := range []byte{1, 0x80, 0xff} {
					b := bytes.Clone(o.bytes)
					b[i] ^= mask
					if _, err := o.reparse(b); err == nil {
						t.Errorf("byte %d ^ %#x is accepted", i, mask)
					} else if i < len(recordMagic) {
						refused(t, err, ErrNotRepository)
					}
				}
			}
		})
	}
}

func TestEachTruncationIsRefused(t *testing.T) {
	for _, o := range append(records(t), packs()...) {
		t.Run(o.name, func(t *testing.T) {
			for n := range o.bytes {
				if _, err := o.reparse(o.bytes[:n:n]); err == nil {
					t.Errorf("the first %d of %d bytes are accepted", n, len(o.bytes))
				}
			}
			if _, err := o.reparse(append(bytes.Clone(o.bytes), 0)); err == nil {
				t.Error("a byte too many is accepted")
			}
		})
	}
}

// rewritten is a record with some bytes of its header changed and its checksum
// made anew.
func rewritten(name string, record []byte, change func(b []byte)) []byte {
	b := bytes.Clone(record[:len(record)-recordSum])
	change(b)
	sum := checksum(recordContext, name, b)
	return append(b, sum[:]...)
}

// What is wrong with a record is told in the order of docs/format.md: a newer
// format may have another length, and another checksum.
func TestRecordRefusals(t *testing.T) {
	session, err := sampleSessionRecord().Marshal(sampleRepo)
	session = marshalled(t, session, err)
	name := SessionName(sampleSession)
	for _, c := range []struct {
		what   string
		record []byte
		want   error
	}{
		{"empty", nil, ErrNotRepository},
		{"something else", []byte("[core]\n\tbare = true\n"), ErrNotRepository},
		{"half a magic", []byte("grana"), ErrNotRepository},
		{"another magic, whole otherwise", rewritten(name, session, func(b []byte) { b[7] = '\r' }), ErrNotRepository},
		{"a newer version", rewritten(name, session, func(b []byte) { b[10] = 2 }), ErrNewer},
		{"a far newer version", rewritten(name, session, func(b []byte) { b[11] = 0xff }), ErrNewer},
		{"a newer version with another checksum", append(rewritten(name, session, func(b []byte) { b[10] = 2 }), "longer"...), ErrNewer},
		{"version 0", rewritten(name, session, func(b []byte) { b[10] = 0 }), ErrCorrupt},
		{"a length too great", rewritten(name, session, func(b []byte) { b[12]++ }), ErrCorrupt},
		{"a length too small", rewritten(name, session, func(b []byte) { b[12]-- }), ErrCorrupt},
		{"a length beyond the limit", rewritten(name, session, func(b []byte) { b[15] = 0xff }), ErrCorrupt},
		{"the name of another object", rewritten("sessions/other", session, func([]byte) {}), ErrCorrupt},
		{"kind 0", rewritten(name, session, func(b []byte) { b[8] = 0 }), ErrCorrupt},
		{"another kind", rewritten(name, session, func(b []byte) { b[8] = byte(KindManifest) }), ErrCorrupt},
		{"a reserved kind", rewritten(name, session, func(b []byte) { b[8] = 6 }), ErrCorrupt},
		{"another repository", rewritten(name, session, func(b []byte) { b[16] ^= 1 }), ErrCorrupt},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := ParseSession(sampleSession, sampleRepo, c.record)
			refused(t, err, c.want)
		})
	}
}

func TestRecordsAreBoundToTheirName(t *testing.T) {
	session, err := sampleSessionRecord().Marshal(sampleRepo)
	session = marshalled(t, session, err)
	manifest, err := sampleManifest().Marshal(sampleRepo)
	manifest = marshalled(t, manifest, err)
	other := SessionID{1}
	_, err = ParseSession(other, sampleRepo, session)
	refused(t, err, ErrCorrupt)
	_, err = ParseManifest(other, sampleRepo, manifest)
	refused(t, err, ErrCorrupt)
	_, err = ParseManifest(sampleSession, RepoID{1}, manifest)
	refused(t, err, ErrCorrupt)
	_, err = ParseConfig(manifest)
	refused(t, err, ErrCorrupt)
}

func TestErrorsOfDecodersNameTheObject(t *testing.T) {
	_, err := ParseManifest(sampleSession, sampleRepo, []byte("no"))
	if !errors.Is(err, ErrNotRepository) || !strings.Contains(err.Error(), ManifestName(sampleSession)) {
		t.Errorf("error is %q", err)
	}
}

func TestRecordsAreLimited(t *testing.T) {
	if _, err := sealRecord(KindSession, "x", sampleRepo, make([]byte, maxPayload+1)); err == nil {
		t.Error("a payload of more than 64 MiB is sealed")
	}
}

// patched is a copy of b with some bytes written over.
func patched(b []byte, at int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

func TestConfigRefusals(t *testing.T) {
	record, err := sampleConfig().Marshal()
	good := marshalled(t, record, err)[recordHeader : len(record)-recordSum]
	for _, c := range []struct {
		what    string
		payload []byte
		want    error
	}{
		{"no payload", nil, ErrCorrupt},
		{"a short one", good[:len(good)-1], ErrCorrupt},
		{"a long one", append(bytes.Clone(good), 0), ErrCorrupt},
		{"no grain size", patched(good, 0, 0, 0, 0, 0), ErrCorrupt},
		{"grains of 1 byte", patched(good, 0, 1, 0, 0, 0), ErrCorrupt},
		{"grains of 8 KiB", patched(good, 0, 0, 0x20, 0, 0), ErrCorrupt},
		{"grains of 48 KiB", patched(good, 0, 0, 0xc0, 0, 0), ErrCorrupt},
		{"grains of 2 MiB", patched(good, 0, 0, 0, 0x20, 0), ErrCorrupt},
		{"grains of 2 GiB", patched(good, 0, 0, 0, 0, 0x80), ErrCorrupt},
		{"a suite", patched(good, 4, 1), ErrNewer},
		{"reserved bytes", patched(good, 6, 1), ErrCorrupt},
		{"a feature", patched(good, 8, 1), ErrNewer},
		{"the last feature", patched(good, 15, 0x80), ErrNewer},
	} {
		t.Run(c.what, func(t *testing.T) {
			b, err := sealRecord(KindConfig, ConfigName, sampleRepo, c.payload)
			_, err = ParseConfig(marshalled(t, b, err))
			refused(t, err, c.want)
		})
	}
	for _, grain := range []int{-MinGrain, 0, 1, MinGrain / 2, MinGrain + 1, DefaultGrain - 1, 2 * MaxGrain} {
		if _, err := (Config{Grain: grain}).Marshal(); err == nil {
			t.Errorf("a config with grains of %d bytes is encoded", grain)
		}
	}
	for grain := MinGrain; grain <= MaxGrain; grain *= 2 {
		b, err := Config{Grain: grain}.Marshal()
		if c, err := ParseConfig(marshalled(t, b, err)); err != nil || c.Grain != grain {
			t.Errorf("grains of %d bytes: %+v, %v", grain, c, err)
		}
	}
}

func TestSessionRefusals(t *testing.T) {
	record, err := sampleSessionRecord().Marshal(sampleRepo)
	good := marshalled(t, record, err)[recordHeader : len(record)-recordSum]
	payloads := map[string][]byte{
		"a host name longer than the payload": patched(good, 12, 0xff, 0xff),
		"a byte too many":                     append(bytes.Clone(good), 0),
	}
	for n := range good {
		payloads[fmt.Sprintf("%d bytes", n)] = good[:n]
	}
	for what, payload := range payloads {
		b, err := sealRecord(KindSession, SessionName(sampleSession), sampleRepo, payload)
		if _, err := ParseSession(sampleSession, sampleRepo, marshalled(t, b, err)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	long := sampleSessionRecord()
	long.Host = strings.Repeat("h", math.MaxUint16+1)
	if _, err := long.Marshal(sampleRepo); err == nil {
		t.Error("a host name of 64 KiB is encoded")
	}
}

func TestForgetRefusals(t *testing.T) {
	record, err := sampleForget().Marshal(sampleRepo)
	good := marshalled(t, record, err)[recordHeader : len(record)-recordSum]
	text := func(reason string) []byte { return appendString(bytes.Clone(good[:24]), reason) }
	for what, payload := range map[string][]byte{
		"no payload":                       nil,
		"one that ends early":              good[:len(good)-1],
		"a byte too many":                  append(bytes.Clone(good), 0),
		"another session":                  patched(good, 0, good[0]^1),
		"a reason longer than the payload": patched(good, 24, 0xff),
		"a reason of 1,001 bytes":          text(strings.Repeat("r", maxReason+1)),
		"a line feed in the reason":        text("a\nb"),
		"a reason that is no UTF-8":        text("\xff"),
	} {
		b, err := sealRecord(KindForget, ForgetName(sampleSession), sampleRepo, payload)
		_, err = ParseForget(sampleSession, sampleRepo, marshalled(t, b, err))
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, reason := range []string{strings.Repeat("r", maxReason+1), "a\nb", "\x7f", "\xff"} {
		if _, err := (Forget{Reason: reason}).Marshal(sampleRepo); err == nil {
			t.Errorf("the reason %.20q is encoded", reason)
		}
	}
	for _, reason := range []string{"", strings.Repeat("ü", maxReason/2), `"quoted"; rm -rf /`} {
		b, err := Forget{Session: sampleSession, Reason: reason}.Marshal(sampleRepo)
		if f, err := ParseForget(sampleSession, sampleRepo, marshalled(t, b, err)); err != nil || f.Reason != reason {
			t.Errorf("the reason %.20q comes back as %.20q, %v", reason, f.Reason, err)
		}
	}
}

// allocated tells how many bytes fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A count that the bytes cannot hold makes nobody allocate.
func TestNoAllocationFollowsALie(t *testing.T) {
	m := &Manifest{Session: sampleSession, Consistency: Clean, VM: "web"}
	record, err := m.Marshal(sampleRepo)
	payload := marshalled(t, record, err)[recordHeader : len(record)-recordSum]
	if len(payload) != 16+7*8+4+2+3+3*4 {
		t.Fatalf("an empty manifest has %d bytes", len(payload))
	}
	counts := len(payload) - 3*4
	for _, c := range []struct {
		what  string
		at    int
		count uint32
	}{
		{"facts", counts, maxFacts},
		{"more facts than may be", counts, maxFacts + 1},
		{"files", counts + 4, maxFiles},
		{"more files than may be", counts + 4, math.MaxUint32},
		{"packs", counts + 8, maxPacks},
		{"more packs than may be", counts + 8, math.MaxUint32},
	} {
		t.Run(c.what, func(t *testing.T) {
			lie := patched(payload, c.at, le.AppendUint32(nil, c.count)...)
			b, err := sealRecord(KindManifest, ManifestName(sampleSession), sampleRepo, lie)
			b = marshalled(t, b, err)
			bytes := allocated(func() {
				_, err = ParseManifest(sampleSession, sampleRepo, b)
			})
			refused(t, err, ErrCorrupt)
			if bytes > 64<<10 {
				t.Errorf("parsing %d bytes allocated %d", len(b), bytes)
			}
		})
	}
}
