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

// oneMoment refuses hot snapshots of several VMs that run: they are taken one
// after the other, and only guests that are frozen keep still meanwhile.
func oneMoment(req Request, running int) error {
	if req.Quiesce != Snapshot || len(req.Freeze) > 0 || running < 2 {
		return nil
	}
	return &hotTeamError{running}
}

// hotTeamError is a team that would be torn.
type hotTeamError struct{ running int }

func (e *hotTeamError) Error() string {
	return fmt.Sprintf("hot snapshots of the %d VMs of the team that run would not be of one point in time", e.running)
}
func (e *hotTeamError) Hint() string {
	return "use --quiesce stop-snapshot, or freeze and thaw programs in the guests, or name the VMs one by one"
}
