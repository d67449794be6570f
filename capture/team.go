package capture

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"granary/repo/format"
)

// Team are VMs that belong together, as a team file (.vmtm, by some .vmtn)
// names them.
type Team struct {
	Name    string   // a folder's name, from the file's
	File    string   // absolute
	Members []string // absolute paths of the .vmx files, in the order in which they start
}

// ErrNoMembers means that a team file names no VM.
var ErrNoMembers = errors.New("the team names no virtual machine")

// IsTeam tells whether a path is that of a team file.
func IsTeam(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".vmtm" || ext == ".vmtn"
}

// maxTeam bounds a team file, in bytes.
const maxTeam = 1 << 20

// ReadTeam reads a team file. No description of its form is known: VMware's
// header files call it XML of the kind of .vmxf. So every element whose text
// ends in .vmx names a member, in the order of the file, relative to its folder;
// what else the file says is not looked at. A file that breaks off is refused:
// a member less would tear the team. A file that is no XML is read as
// lines of name = "value".
func ReadTeam(path string) (*Team, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read team: %w", err)
	}
	data, err := readSmall(path, maxTeam)
	if err != nil {
		return nil, fmt.Errorf("read team: %w", err)
	}
	names, err := teamMembers(data)
	if err != nil {
		return nil, fmt.Errorf("read team %s: %w", path, err)
	}
	t := &Team{File: path}
	t.Name = safeName(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "team")
	for _, name := range names {
		member := resolve(filepath.Dir(path), name)
		if !exists(member) { // as Windows writes it
			member = resolve(filepath.Dir(path), strings.ReplaceAll(strings.TrimSpace(name), `\`, "/"))
		}
		if !slices.Contains(t.Members, member) {
			t.Members = append(t.Members, member)
		}
	}
	if len(t.Members) == 0 {
		return nil, fmt.Errorf("read team %s: %w", path, ErrNoMembers)
	}
	return t, nil
}

// teamMembers are the names of .vmx files in a team file.
func teamMembers(data []byte) (names []string, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return membersInLines(data), nil
	}
	// Paths are bytes to the host, whatever the file calls its encoding.
	d := xml.NewDecoder(strings.NewReader(hideBytes(data)))
	d.Strict = false
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	text := ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			text = ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			if isVMX(strings.TrimSpace(text)) {
				names = append(names, showBytes(text))
			}
			text = ""
		}
	}
}

func membersInLines(data []byte) (names []string) {
	for line := range strings.Lines(string(data)) {
		_, value, _ := strings.Cut(line, "=")
		if name := strings.Trim(strings.TrimSpace(value), `"`); isVMX(name) {
			names = append(names, name)
		}
	}
	return names
}

func isVMX(name string) bool {
	return strings.EqualFold(filepath.Ext(name), ".vmx") && !strings.ContainsRune(name, 0)
}

// add plans a file that belongs to the VM's team.
func (p *Plan) add(source string) error {
	for _, f := range p.Files {
		if f.Source == source {
			return nil
		}
	}
	f := PlannedFile{Path: pathOf(filepath.Dir(p.VMX), source), Source: source, Role: format.RoleConfig}
	if err := format.CheckPath(f.Path); err != nil {
		return fmt.Errorf("file %q: %w", source, err)
	}
	p.Files = append(p.Files, f)
	p.sort()
	return p.distinct()
}
