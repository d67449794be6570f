package vmx

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canonical writes a file as VMware would: quoted, sorted, with the bytes
// escaped that VMware escapes. The comment keeps a key that starts like a byte
// order mark from becoming one.
func canonical(f *File) []byte {
	var b strings.Builder
	b.WriteString("# canonical\n")
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		fmt.Fprintf(&b, "%s = \"", key)
		for _, c := range []byte(f.values[key]) {
			if c == '"' || c == '|' || c == 0x7F || c < ' ' && c != '\t' {
				fmt.Fprintf(&b, "|%02X", c)
			} else {
				b.WriteByte(c)
			}
		}
		b.WriteString("\"\n")
	}
	return []byte(b.String())
}

func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.vmx")
	if err != nil || len(samples) == 0 {
		f.Fatalf("samples %v, error %v", samples, err)
	}
	for _, name := range samples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\xef\xbb\xbf.encoding = windows-1252\r\nscsi0:0.present=1\r\nscsi0:0.fileName=\"|22|7C\x80\"\r\n"))
	f.Add([]byte("scsi0:0.present = yes\nscsi00:0.present = on\nscsi0:0.fileName=a\nscsi00:0.fileName=b"))

	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrNotVMX) || file != nil {
				t.Fatalf("file %v with error %v", file, err)
			}
			return
		}
		checkDisks(t, file)
		checkBounds(t, file, data)
		if id := file.UUID(); len(id) != 0 && len(id) != 32 {
			t.Errorf("UUID %q", id)
		}
		for key := range file.values {
			if upper, _ := file.Get(strings.Map(upperASCII, key)); !strings.ContainsFunc(key, notASCII) && upper != file.text(key) {
				t.Errorf("key %q differs by case", key)
			}
		}

		again, err := Parse(canonical(file))
		if err != nil {
			t.Fatalf("canonical form: %v", err)
		}
		if !maps.Equal(again.values, file.values) || len(again.malformed) != 0 {
			t.Errorf("canonical form reads %q, was %q, malformed lines %v", again.values, file.values, again.malformed)
		}
	})
}

func upperASCII(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - ('a' - 'A')
	}
	return r
}

func notASCII(r rune) bool { return r >= 0x80 }

// checkBounds holds a file against its input: unescaping only shortens, so all
// that is kept fits into what was given.
func checkBounds(t *testing.T, file *File, data []byte) {
	kept := 0
	for key, value := range file.values {
		kept += len(key) + len(value)
		if strings.ContainsRune(value, 0) || key == "" {
			t.Errorf("key %q, value %q", key, value)
		}
	}
	if kept > len(data) || len(file.malformed) > maxMalformed {
		t.Errorf("%d bytes and %d line numbers kept of %d bytes", kept, len(file.malformed), len(data))
	}
}

func checkDisks(t *testing.T, file *File) {
	disks := file.Disks()
	nodes := make(map[string]bool)
	for _, d := range disks {
		if strings.TrimSpace(d.FileName) == "" || d.RawFileName == "" || nodes[d.Node] {
			t.Errorf("disk %+q in %+q", d, disks)
		}
		nodes[d.Node] = true
		if file.charset.decode(d.RawFileName) != d.FileName {
			t.Errorf("names %q and %q differ", d.RawFileName, d.FileName)
		}
		if !file.Bool(d.Node + ".present") {
			t.Errorf("%s is not present", d.Node)
		}
	}
	if !slices.Equal(disks, file.Disks()) {
		t.Error("the order of disks varies")
	}
}
