// Package dictionary reads and rewrites VMware's key files (.vmx, .vmsd): lines
// of name = "value". Lines that are not touched stay as they are, malformed
// ones included; names are compared without case.
package dictionary

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Dictionary is a key file in memory. The zero value is an empty one.
type Dictionary struct {
	lines []line
}

// line is one line of the file; name is empty where it holds no pair.
type line struct {
	text, name, value string
}

// Parse reads a key file. It refuses nothing: what it cannot read it keeps.
func Parse(data []byte) *Dictionary {
	d := &Dictionary{}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for text := range strings.Lines(string(data)) {
		text = strings.TrimRight(text, "\r\n")
		name, value, _ := split(text)
		d.lines = append(d.lines, line{text: text, name: name, value: value})
	}
	return d
}

// Load reads the key file at path.
func Load(path string) (*Dictionary, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(data), nil
}

// split takes a line apart; ok is false where it holds no pair.
func split(text string) (name, value string, ok bool) {
	name, rest, found := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !found || name == "" || strings.ContainsAny(name, "# \t") {
		return "", "", false
	}
	rest = strings.TrimSpace(rest)
	if quoted, isQuoted := strings.CutPrefix(rest, `"`); isQuoted {
		value, _, closed := strings.Cut(quoted, `"`)
		if !closed {
			return "", "", false
		}
		return name, unescape(value), true
	}
	if end := strings.IndexAny(rest, " \t#"); end >= 0 {
		rest = rest[:end]
	}
	return name, unescape(rest), true
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '|' && i+3 <= len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(code))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '|' || c == 0x7f || (c < ' ' && c != '\t') {
			fmt.Fprintf(&b, "|%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Lookup returns the value of name and whether the file has one. The last of
// several counts.
func (d *Dictionary) Lookup(name string) (string, bool) {
	for i := len(d.lines) - 1; i >= 0; i-- {
		if strings.EqualFold(d.lines[i].name, name) {
			return d.lines[i].value, true
		}
	}
	return "", false
}

// Get returns the value of name, or "".
func (d *Dictionary) Get(name string) string {
	value, _ := d.Lookup(name)
	return value
}

// True tells whether name is set to TRUE.
func (d *Dictionary) True(name string) bool { return strings.EqualFold(d.Get(name), "TRUE") }

// Set gives name a value, on its own line if it has one, else on a new last one.
func (d *Dictionary) Set(name, value string) {
	changed := line{text: name + ` = "` + escape(value) + `"`, name: name, value: value}
	for i := len(d.lines) - 1; i >= 0; i-- {
		if strings.EqualFold(d.lines[i].name, name) {
			d.lines[i] = changed
			return
		}
	}
	d.lines = append(d.lines, changed)
}

// Names returns the names in the order of the file.
func (d *Dictionary) Names() []string {
	var names []string
	for _, l := range d.lines {
		if l.name != "" {
			names = append(names, l.name)
		}
	}
	return names
}

// Bytes returns the file.
func (d *Dictionary) Bytes() []byte {
	var b bytes.Buffer
	for _, l := range d.lines {
		b.WriteString(l.text + "\n")
	}
	return b.Bytes()
}

// Store writes the file to path, replacing the old one in one step as VMware
// does: a reader meets the old or the new file, never half of one.
func (d *Dictionary) Store(path string) error { return Replace(path, d.Bytes()) }

// Replace writes data to path in one step.
func Replace(path string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"~")
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(temporary.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name()) // the first error is the one to report
	}
	return err
}
