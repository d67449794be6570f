package vmdk

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// maxDescriptor is the size, in bytes, beyond which nothing is taken for a
// descriptor. Real ones stay within some kilobytes; one of a split disk grows
// by some 40 bytes for every 2 GiB.
const maxDescriptor = 1 << 20

const byteOrderMark = "\xEF\xBB\xBF"

// ParseDescriptor reads a descriptor, in a file of its own or embedded in a
// sparse extent, where NULs pad it. It returns ErrNoDescriptor if data does not
// begin as one, else ErrBadDescriptor if anything is wrong.
//
// Keys and types are read without regard to case, unknown keys are skipped, and
// the last of several assignments counts. Values are taken as they stand,
// without escapes.
func ParseDescriptor(data []byte) (*Descriptor, error) {
	if !looksLikeDescriptor(data) {
		return nil, fmt.Errorf("vmdk: text does not begin as a descriptor: %w", ErrNoDescriptor)
	}
	if len(data) > maxDescriptor {
		return nil, fmt.Errorf("vmdk: descriptor of %d bytes, at most %d are read: %w",
			len(data), maxDescriptor, ErrBadDescriptor)
	}

	p := parser{d: Descriptor{ParentCID: noParent, DDB: make(map[string]string)}}
	number := 0
	for line := range strings.Lines(text(data)) {
		number++
		line = strings.Trim(line, blank+"\n")
		if line == "" || line[0] == '#' {
			continue
		}
		what, err := p.line(line)
		if err != nil {
			return nil, fmt.Errorf("vmdk: %s %d: %w: %w", what, number, err, ErrBadDescriptor)
		}
	}
	if err := p.complete(); err != nil {
		return nil, fmt.Errorf("vmdk: %w: %w", err, ErrBadDescriptor)
	}
	return &p.d, nil
}

// text is the descriptor proper: what precedes the padding.
func text(data []byte) string {
	data, _, _ = bytes.Cut(data, []byte{0})
	return strings.TrimPrefix(string(data), byteOrderMark)
}

// looksLikeDescriptor reports whether data begins with the comment that VMware
// writes on top, or with the version, if only comments and blank lines precede
// it. The beginning of a file is enough to tell.
func looksLikeDescriptor(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte{'\n'})
		line = bytes.ToLower(bytes.Trim(line, blank))
		comment, isComment := bytes.CutPrefix(line, []byte{'#'})
		switch {
		case isComment:
			comment = bytes.ReplaceAll(comment, []byte{' '}, nil)
			if bytes.HasPrefix(comment, []byte("diskdescriptorfile")) {
				return true
			}
		case len(line) > 0:
			key, _, found := bytes.Cut(line, []byte{'='})
			return found && string(bytes.Trim(key, blank)) == "version"
		}
	}
	return false
}

// parser gathers a descriptor line by line.
type parser struct {
	d                  Descriptor
	hasVersion, hasCID bool
}

// line takes in one line that is neither blank nor comment. It also returns
// what to call the line in an error.
func (p *parser) line(line string) (what string, err error) {
	if isExtentLine(line) {
		e, err := parseExtent(line)
		p.d.Extents = append(p.d.Extents, e)
		return "extent line", err
	}
	key, value, found := strings.Cut(line, "=")
	key = strings.Trim(key, blank)
	if !found || key == "" || strings.ContainsAny(key, blank+`"`) {
		return "line", fmt.Errorf("%s is neither extent nor assignment nor comment", excerpt(line))
	}
	if len(key) > len("ddb.") && strings.EqualFold(key[:len("ddb.")], "ddb.") {
		p.d.DDB[key[len("ddb."):]], err = parseValue(value)
		return "line", err
	}
	return "line", p.assign(strings.ToLower(key), value)
}

// assign takes in an assignment of the header or of the change tracking
// section.
func (p *parser) assign(key, value string) error {
	d := &p.d
	switch key {
	case "version", "encoding", "cid", "parentcid", "createtype",
		"parentfilenamehint", "changetrackpath", "isnativesnapshot":
	default:
		return nil
	}
	v, err := parseValue(value)
	if err != nil {
		return err
	}
	switch key {
	case "version":
		p.hasVersion = true
		d.Version, err = parseVersion(v)
	case "cid":
		p.hasCID = true
		d.CID, err = parseCID(v)
	case "parentcid":
		d.ParentCID, err = parseCID(v)
	case "encoding":
		d.Encoding = v
	case "createtype":
		d.CreateType = v
	case "parentfilenamehint":
		d.ParentFileNameHint = v
	case "changetrackpath":
		d.ChangeTrackPath = v
	case "isnativesnapshot":
		d.NativeSnapshot = strings.EqualFold(v, "yes") || strings.EqualFold(v, "true")
	}
	return err
}

// complete checks the descriptor as a whole.
func (p *parser) complete() error {
	switch {
	case !p.hasVersion:
		return fmt.Errorf("version missing")
	case !p.hasCID:
		return fmt.Errorf("CID missing")
	case len(p.d.Extents) == 0:
		return fmt.Errorf("no extent line; truncated or encrypted?")
	}
	return checkCapacity(p.d.Extents)
}

func parseVersion(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("version %s is not a positive number", excerpt(s))
	}
	return int(n), nil
}

func parseCID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil {
		return 0, fmt.Errorf("CID %s is not a 32-bit hexadecimal number", excerpt(s))
	}
	return uint32(n), nil
}
