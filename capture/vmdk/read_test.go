package vmdk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// paddedFile is a file of any size: its first bytes, then zeros. It counts
// what is read.
type paddedFile struct {
	head  []byte
	size  int64
	reads int
	bytes int64
}

func (f *paddedFile) ReadAt(p []byte, off int64) (int, error) {
	f.reads++
	f.bytes += int64(len(p))
	if off < 0 || off >= f.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.size-off))
	clear(p[:n])
	if off < int64(len(f.head)) {
		copy(p[:n], f.head[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// embedded is a sparse extent with a descriptor at its usual place.
func embedded(h SparseHeader, descriptor string) []byte {
	b := append(h.marshal(), descriptor...)
	if size := int(1+h.DescriptorSize) * SectorSize; h.DescriptorSize < 64 && len(b) < size {
		b = append(b, make([]byte, size-len(b))...)
	}
	return b
}

func TestReadSamples(t *testing.T) {
	tests := []struct {
		name       string
		size       int64 // of the file before it was cut to its head; 0 if it is whole
		createType string
		capacity   int64
		extents    []string
		parent     string
	}{
		{"monolithicSparse.vmdk", 65536, "monolithicSparse", 1 << 20, []string{"monolithicSparse.vmdk"}, ""},
		{"streamOptimized.vmdk", 65536, "streamOptimized", 1 << 20, []string{"streamOptimized.vmdk"}, ""},
		{"child.vmdk", 65536, "monolithicSparse", 1 << 20, []string{"child.vmdk"}, "monolithicSparse.vmdk"},
		{"monolithicFlat.vmdk", 0, "monolithicFlat", 1 << 20, []string{"monolithicFlat-flat.vmdk"}, ""},
		{"twoGbMaxExtentFlat.vmdk", 0, "twoGbMaxExtentFlat", 1 << 20, []string{"twoGbMaxExtentFlat-f001.vmdk"}, ""},
		{"twoGbMaxExtentSparse.vmdk", 0, "twoGbMaxExtentSparse", 5 << 30, []string{
			"twoGbMaxExtentSparse-s001.vmdk", "twoGbMaxExtentSparse-s002.vmdk", "twoGbMaxExtentSparse-s003.vmdk"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := openSample(t, tt.name, tt.size)
			d, err := ReadDescriptor(f, f.size)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range d.Extents {
				names = append(names, e.File)
			}
			if d.CreateType != tt.createType || d.Capacity() != tt.capacity ||
				strings.Join(names, ",") != strings.Join(tt.extents, ",") {
				t.Errorf("%+v", d)
			}
			if d.ParentFileNameHint != tt.parent || d.HasParent() != (tt.parent != "") || d.Device() {
				t.Errorf("parent %q, has one %v, device %v", d.ParentFileNameHint, d.HasParent(), d.Device())
			}
			if d.DDB["adapterType"] != "ide" {
				t.Errorf("DDB %v", d.DDB)
			}
		})
	}
}

// TestSampleChain checks the link between a child and its parent.
func TestSampleChain(t *testing.T) {
	child, err := ReadDescriptor(openSample(t, "child.vmdk", 65536), 65536)
	if err != nil {
		t.Fatal(err)
	}
	parent, err := ReadDescriptor(openSample(t, child.ParentFileNameHint, 65536), 65536)
	if err != nil || child.ParentCID != parent.CID {
		t.Errorf("child of %#x, parent %+v, error %v", child.ParentCID, parent, err)
	}
}

func openSample(t *testing.T, name string, size int64) *paddedFile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return &paddedFile{head: data, size: max(size, int64(len(data)))}
}

func TestReadStreamWithDirectoryAtEnd(t *testing.T) {
	h := sample
	h.Version, h.Compression, h.GDOffset, h.RGDOffset = 3, 1, GDAtEnd, 0
	h.Flags |= FlagCompressed | FlagMarkers
	f := &paddedFile{head: embedded(h, minimal), size: 1 << 30}
	if d, err := ReadDescriptor(f, f.size); err != nil || d.CID != 0x12345678 {
		t.Errorf("%+v, error %v", d, err)
	}
	if f.bytes > 16384 {
		t.Errorf("read %d bytes", f.bytes)
	}
}

// TestReadRefusesAfterOneSmallRead is the promise that lets a caller ask about
// files of any size.
func TestReadRefusesAfterOneSmallRead(t *testing.T) {
	noDescriptor := sample
	noDescriptor.DescriptorOffset, noDescriptor.DescriptorSize = 0, 0
	tests := []struct {
		name string
		head []byte
		size int64
	}{
		{"empty", nil, 0},
		{"one byte", nil, 1},
		{"flat", nil, 8 << 30},
		{"boot sector", append(make([]byte, 510), 0x55, 0xAA), 8 << 30},
		{"COWD", cowdSample(1, 3, 1, 1, 4, 1, 5), 8 << 30},
		{"seSparse", []byte{0xBE, 0xBA, 0xFE, 0xCA}, 8 << 30},
		{"sparse without descriptor", embedded(noDescriptor, ""), 8 << 30},
		{"guest's descriptor in a flat extent", []byte(minimal), 8 << 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &paddedFile{head: tt.head, size: tt.size}
			if _, err := ReadDescriptor(f, f.size); !errors.Is(err, ErrNoDescriptor) {
				t.Errorf("error %v", err)
			}
			if f.reads > 1 || f.bytes > probeSize {
				t.Errorf("%d reads of %d bytes", f.reads, f.bytes)
			}
		})
	}
}

func TestReadSplitExtent(t *testing.T) {
	f := openSample(t, "twoGbMaxExtentSparse-s001.vmdk", 327680)
	if _, err := ReadDescriptor(f, f.size); !errors.Is(err, ErrNoDescriptor) {
		t.Errorf("error %v", err)
	}
}

func TestReadDamaged(t *testing.T) {
	with := func(change func(h *SparseHeader)) SparseHeader {
		h := sample
		change(&h)
		return h
	}
	large := with(func(h *SparseHeader) { h.DescriptorSize = maxDescriptor/SectorSize + 1 })
	far := with(func(h *SparseHeader) { h.DescriptorOffset = 1 << 40 })
	tests := []struct {
		name    string
		data    []byte
		is      error
		message string
	}{
		{"header cut", sample.marshal()[:100], ErrBadHeader, "truncated to 100"},
		{"header damaged", embedded(with(func(h *SparseHeader) { h.GrainSize = 3 }), minimal), ErrBadHeader, "grain size"},
		{"descriptor cut", embedded(sample, minimal)[:2048], ErrBadDescriptor, "ends beyond the file"},
		{"descriptor outside", embedded(far, minimal), ErrBadDescriptor, "ends beyond the file"},
		{"descriptor too large", embedded(large, minimal), ErrBadDescriptor, "at most"},
		{"descriptor overwritten", embedded(sample, "\xffnonsense"), ErrBadDescriptor, "no text"},
		{"descriptor damaged", embedded(sample, minimal+"RW\n8"), ErrBadDescriptor, "line 5"},
		{"text damaged", []byte(minimal + "RW 8"), ErrBadDescriptor, "extent line 5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadDescriptor(bytes.NewReader(tt.data), int64(len(tt.data)))
			if !errors.Is(err, tt.is) || errors.Is(err, ErrNoDescriptor) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("error %v, want %v with %q", err, tt.is, tt.message)
			}
		})
	}
}

// failingFile fails to read beyond its first bytes.
type failingFile struct {
	head []byte
	err  error
}

func (f failingFile) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= int64(len(f.head)) {
		return copy(p, f.head[off:]), nil
	}
	return 0, f.err
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("input/output error")
	long := []byte(minimal + strings.Repeat("# padding\n", probeSize/10))
	tests := []struct {
		name string
		f    failingFile
		size int64
		want error
	}{
		{"beginning", failingFile{nil, broken}, 100, broken},
		{"text", failingFile{long[:probeSize], broken}, int64(len(long)), broken},
		{"embedded", failingFile{embedded(sample, minimal)[:probeSize], broken}, 65536, broken},
		{"file shorter than its size", failingFile{nil, io.EOF}, 100, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		_, err := ReadDescriptor(tt.f, tt.size)
		if !errors.Is(err, tt.want) || errors.Is(err, ErrNoDescriptor) || errors.Is(err, ErrBadDescriptor) {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	if _, err := ReadDescriptor(failingFile{}, -1); err == nil {
		t.Error("a negative size is no error")
	}
	if d, err := ReadDescriptor(bytes.NewReader(long), int64(len(long))); err != nil || len(d.Extents) != 1 {
		t.Errorf("descriptor longer than the probe: %+v, error %v", d, err)
	}
}
