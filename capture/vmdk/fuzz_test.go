package vmdk

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// canonical writes a descriptor the way VMware does, the inverse of
// ParseDescriptor.
func (d *Descriptor) canonical() []byte {
	var b strings.Builder
	native := map[bool]string{false: "no", true: "yes"}[d.NativeSnapshot]
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=%d\nencoding=\"%s\"\nCID=%08x\nparentCID=%08x\nisNativeSnapshot=\"%s\"\n",
		d.Version, d.Encoding, d.CID, d.ParentCID, native)
	fmt.Fprintf(&b, "createType=\"%s\"\nparentFileNameHint=\"%s\"\n", d.CreateType, d.ParentFileNameHint)
	for _, e := range d.Extents {
		fmt.Fprintf(&b, "%s %d %s", e.Access, e.Sectors, e.Type)
		if e.File != "" {
			fmt.Fprintf(&b, " \"%s\" %d", e.File, e.Offset)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "changeTrackPath=\"%s\"\n", d.ChangeTrackPath)
	for _, key := range slices.Sorted(maps.Keys(d.DDB)) {
		fmt.Fprintf(&b, "ddb.%s = \"%s\"\n", key, d.DDB[key])
	}
	return []byte(b.String())
}

// checkDescriptor tests what ParseDescriptor promises of its result.
func checkDescriptor(t *testing.T, d *Descriptor) {
	var sum int64
	for _, e := range d.Extents {
		if e.Sectors < 0 || e.Offset < 0 || (e.Sectors+e.Offset)*SectorSize < 0 || (e.File == "") != (e.Type == "ZERO") {
			t.Errorf("extent %+v", e)
		}
		sum += e.Sectors
	}
	if len(d.Extents) == 0 || d.Capacity() < 0 || d.Capacity()/SectorSize != sum {
		t.Errorf("capacity %d of %+v", d.Capacity(), d.Extents)
	}

	text := d.canonical()
	again, err := ParseDescriptor(text)
	// The canonical form of a descriptor close to the limit can exceed it.
	if len(text) > maxDescriptor {
		return
	}
	if err != nil {
		t.Fatalf("canonical form: %v\n%s", err, text)
	}
	if !reflect.DeepEqual(again, d) {
		t.Errorf("canonical form reads %+v, was %+v", again, d)
	}
}

// addSamples seeds a fuzz target with the samples.
func addSamples(f *testing.F) {
	names, err := filepath.Glob("testdata/*.vmdk")
	if err != nil || len(names) == 0 {
		f.Fatalf("samples %v, error %v", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzParseDescriptor(f *testing.F) {
	addSamples(f)
	f.Add([]byte(minimal))
	f.Add([]byte(esxDescriptor))
	f.Add([]byte("version=1\nCID=0\nRW 8 ZERO\nRDONLY 8 FLAT \"\\\\.\\PhysicalDrive0\" 63 partitionUUID x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDescriptor(data)
		if err == nil {
			checkDescriptor(t, d)
		} else if d != nil || errors.Is(err, ErrNoDescriptor) == errors.Is(err, ErrBadDescriptor) {
			t.Errorf("%v with error %v", d, err)
		}
	})
}

func FuzzReadDescriptor(f *testing.F) {
	addSamples(f)
	f.Add([]byte(minimal))
	f.Add(embedded(sample, minimal))
	f.Add(cowdSample(1, 3, 1, 1, 4, 1, 5))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The same bytes as a whole file, and as the beginning of a large one.
		for _, size := range []int64{int64(len(data)), 1 << 40} {
			file := &paddedFile{head: data, size: size}
			d, err := ReadDescriptor(file, size)
			if err == nil {
				checkDescriptor(t, d)
			} else if d != nil || !known(err) {
				t.Errorf("%v with error %v", d, err)
			}
			if file.reads > 2 || file.bytes > probeSize+maxDescriptor {
				t.Errorf("%d reads of %d bytes", file.reads, file.bytes)
			}
		}
	})
}

// known reports whether an error is one of this package, not one of reading.
func known(err error) bool {
	return errors.Is(err, ErrNoDescriptor) || errors.Is(err, ErrBadDescriptor) || errors.Is(err, ErrBadHeader)
}

func FuzzParseSparseHeader(f *testing.F) {
	addSamples(f)
	f.Add(sample.marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseSparseHeader(data)
		if err != nil {
			if h != nil || !errors.Is(err, ErrBadHeader) {
				t.Errorf("%v with error %v", h, err)
			}
			return
		}
		for name, sectors := range map[string]int64{
			"capacity": h.Capacity, "grain": h.GrainSize, "descriptor": h.DescriptorOffset + h.DescriptorSize,
			"redundant directory": h.RGDOffset, "overhead": h.Overhead,
		} {
			if sectors < 0 || sectors*SectorSize/SectorSize != sectors {
				t.Errorf("%s of %d sectors", name, sectors)
			}
		}
		if h.GDOffset < GDAtEnd || h.GDOffset*SectorSize/SectorSize != h.GDOffset {
			t.Errorf("grain directory at %d", h.GDOffset)
		}
		b := h.marshal()
		if again, err := ParseSparseHeader(b); err != nil || *again != *h {
			t.Errorf("header %+v reads %+v, error %v", h, again, err)
		}
		// Between the fields of the header lie no bytes that go unread.
		if data[72] <= 1 && h.Flags&FlagNewlineTest != 0 && !bytes.Equal(b[:79], data[:79]) {
			t.Errorf("header %x became %x", data[:79], b[:79])
		}
	})
}
