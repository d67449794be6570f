package vmx

import (
	"errors"
	"fmt"
	"strings"
)

// MaxSize is the largest input, in bytes, that Parse accepts. Real files hold
// some kilobytes, and at most a few hundred with keys and certificates of an
// encrypted machine in them. A caller need not read more than MaxSize+1 bytes.
const MaxSize = 4 << 20

// ErrNotVMX is returned, wrapped, by Parse for input that is no .vmx file: too
// large, binary, or without a single assignment.
var ErrNotVMX = errors.New("not a vmx file")

// File is a parsed configuration.
type File struct {
	// values holds, by lower-case key, the unescaped bytes of each value, still
	// in the file's charset.
	values    map[string]string
	charset   charset
	malformed []int
}

// maxMalformed bounds the line numbers kept, so that a text file that is
// something else altogether costs no memory.
const maxMalformed = 100

const byteOrderMark = "\xEF\xBB\xBF"

// Parse reads a configuration. It accepts a UTF-8 byte order mark, CRLF line
// ends and a missing last newline. Malformed lines are skipped, see
// [File.Malformed].
//
// Where a key is assigned twice, the last assignment counts. That is a choice,
// not a fact: VMware refuses to start such a machine, even when the two
// spellings differ in case only.
func Parse(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("vmx: %d bytes, at most %d are read: %w", len(data), MaxSize, ErrNotVMX)
	}
	text := string(data)
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, fmt.Errorf("vmx: NUL at byte %d, so binary or UTF-16: %w", i, ErrNotVMX)
	}
	text, marked := strings.CutPrefix(text, byteOrderMark)

	f := &File{values: make(map[string]string)}
	number := 0
	for line := range strings.Lines(text) {
		number++
		a, kind := parseLine(line)
		switch kind {
		case lineAssignment:
			f.values[lowerASCII(a.name)] = unescape(a.value)
		case lineMalformed:
			if len(f.malformed) < maxMalformed {
				f.malformed = append(f.malformed, number)
			}
		}
	}
	if len(f.values) == 0 {
		return nil, fmt.Errorf("vmx: no line of the form name = value in %d bytes: %w", len(data), ErrNotVMX)
	}

	// The charset is known only now: .encoding is usually, not always, the
	// first line, and it is written in ASCII whatever it names.
	f.charset = charsetUTF8
	if name, ok := f.values[".encoding"]; ok && !marked {
		f.charset = charsetByName(name)
	}
	return f, nil
}

// Get returns the value of a key, and whether the key is assigned at all. The
// text is UTF-8 if the file's charset is one that [Decode] knows, else it is
// the file's own bytes.
func (f *File) Get(key string) (string, bool) {
	raw, ok := f.values[lowerASCII(key)]
	if !ok {
		return "", false
	}
	return f.charset.decode(raw), true
}

// Malformed returns the numbers, from 1, of the first lines (at most 100) that
// are neither assignment nor comment nor blank. A disk named on such a line,
// say for want of a closing quote, is missing from [File.Disks], so a caller
// should not pass over them in silence.
func (f *File) Malformed() []int {
	return append([]int(nil), f.malformed...)
}

// Bool reports whether a key is assigned a true value: TRUE, YES, ON, T, Y or
// 1, in any case. A key that is absent or says anything else is false.
func (f *File) Bool(key string) bool {
	switch lowerASCII(strings.TrimSpace(f.text(key))) {
	case "true", "yes", "on", "t", "y", "1":
		return true
	}
	return false
}

// text is Get for keys whose absence means the same as an empty value.
func (f *File) text(key string) string {
	value, _ := f.Get(key)
	return value
}
