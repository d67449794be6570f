package format

import (
	"cmp"
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode/utf8"
)

// GenerationsPrefix holds the manifests.
const GenerationsPrefix = "generations/"

// ManifestName is the object whose existence makes session s a generation.
func ManifestName(s SessionID) string { return GenerationsPrefix + s.String() }

// Consistency tells in which state the guest left its disks.
type Consistency uint8

// Consistencies, from a guest that had shut down to one that was cut off.
const (
	Clean       Consistency = 1
	Suspended   Consistency = 2
	Crash       Consistency = 3
	Offline     Consistency = 4
	Application Consistency = 5
)

var consistencyNames = [...]string{Clean: "clean", Suspended: "suspended", Crash: "crash", Offline: "offline", Application: "application"}

func (c Consistency) String() string {
	if c == 0 || int(c) >= len(consistencyNames) {
		return fmt.Sprintf("consistency %d", uint8(c))
	}
	return consistencyNames[c]
}

// Role tells what a file is to its VM.
type Role uint8

// Roles of the files of a VM.
const (
	RoleConfig Role = 1
	RoleDisk   Role = 2
	RoleMemory Role = 3
	RoleLog    Role = 4
	RoleOther  Role = 5
)

// File is one file of a generation. Times are ns since 1970, sizes bytes.
type File struct {
	Path      string // below the generation, parts separated by "/"
	Source    string // absolute, on the host
	Role      Role
	Mode      uint32
	Size      int64
	Allocated int64
	ModTime   int64
	Changed   int64  // ctime, 0 if unknown
	Inode     uint64 // 0 if unknown
	Device    uint64 // 0 if unknown
	Read      int64  // when reading began
	Root      ID
}

// ManifestPack names a pack that the generation's session wrote.
type ManifestPack struct {
	Number  uint32
	Entries uint32
	Size    uint32
	Kind    PackKind
}

// Manifest is a VM at one point in time. Times are ns since 1970.
type Manifest struct {
	Session     SessionID
	Frozen      int64
	Started     int64
	Finished    int64
	Downtime    int64 // ns; 0 never down, -1 unknown
	ReadBytes   int64
	NewBytes    int64
	StoredBytes int64
	Consistency Consistency
	Suffix      uint16
	VM          string
	Facts       []Fact
	Files       []File
	Packs       []ManifestPack
}

// Fact is something known of a capture, as ("driver", "vmrun").
type Fact struct{ Key, Value string }

// Fact returns the value of a fact, empty if it is not recorded.
func (m *Manifest) Fact(key string) string {
	for _, f := range m.Facts {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}

// GenerationTime is the layout of generation names, in UTC.
const GenerationTime = "2006-01-02T150405Z"

// Generation is the name of the generation below its VM.
func (m *Manifest) Generation() string {
	name := time.Unix(0, m.Frozen).UTC().Format(GenerationTime)
	if m.Suffix > 0 {
		name = fmt.Sprintf("%s-%d", name, m.Suffix)
	}
	return name
}

// CheckVMName refuses names that cannot be a folder everywhere.
func CheckVMName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("VM name %q is empty or a dot", name)
	case len(name) > 200:
		return fmt.Errorf("VM name of %d bytes is longer than 200", len(name))
	case !utf8.ValidString(name):
		return fmt.Errorf("VM name %q is not UTF-8", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r < 0x20 || r >= 0x7f && r < 0xa0 }):
		return fmt.Errorf("VM name %q holds a slash or a control character", name)
	}
	return nil
}

// CheckPath refuses paths that could lead out of a folder.
func CheckPath(path string) error {
	if path == "" || len(path) > 4096 || strings.ContainsRune(path, 0) {
		return fmt.Errorf("path %q is empty, too long or holds a NUL", path)
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || len(part) > 255 {
			return fmt.Errorf("path %q has an empty, dotted or overlong part", path)
		}
	}
	return nil
}

func (f *File) check() error {
	if err := CheckPath(f.Path); err != nil {
		return err
	}
	if f.Size < 0 || f.Size > MaxFileSize || f.Allocated < 0 || f.Allocated > f.Size {
		return fmt.Errorf("file %q has an impossible size", f.Path)
	}
	if f.Role < RoleConfig || f.Role > RoleOther {
		return fmt.Errorf("file %q has the unknown role %d", f.Path, f.Role)
	}
	if f.Root.IsZero() != (f.Allocated == 0) {
		return fmt.Errorf("file %q: root and allocated size disagree", f.Path)
	}
	return fits("a source path", f.Source)
}

// check is what writers and readers of manifests both demand.
func (m *Manifest) check() error {
	if err := CheckVMName(m.VM); err != nil {
		return err
	}
	if m.Consistency < Clean || m.Consistency > Application {
		return fmt.Errorf("unknown %v", m.Consistency)
	}
	if m.Suffix == 1 || min(m.ReadBytes, m.NewBytes, m.StoredBytes) < 0 || m.Downtime < -1 {
		return fmt.Errorf("impossible suffix, size or downtime")
	}
	for i, f := range m.Facts {
		if err := cmp.Or(fits("a fact", f.Key), fits("a fact", f.Value)); err != nil {
			return err
		}
		if i > 0 && m.Facts[i-1].Key >= f.Key {
			return fmt.Errorf("facts are not in order at %q", f.Key)
		}
	}
	for i := range m.Files {
		f := &m.Files[i]
		if err := f.check(); err != nil {
			return err
		}
		if i > 0 && m.Files[i-1].Path >= f.Path {
			return fmt.Errorf("files are not in order at %q", f.Path)
		}
	}
	for i := range m.Files {
		folder := m.Files[i].Path + "/"
		below := sort.Search(len(m.Files), func(j int) bool { return m.Files[j].Path >= folder })
		if below < len(m.Files) && strings.HasPrefix(m.Files[below].Path, folder) {
			return fmt.Errorf("%q is both a file and a folder", m.Files[i].Path)
		}
	}
	for i, p := range m.Packs {
		if i > 0 && m.Packs[i-1].Number >= p.Number || p.Number == 0 ||
			p.Entries == 0 || p.Entries > MaxEntries || p.Size > MaxPackSize ||
			p.Size < uint32(PackHeaderSize+TableSize(p.Kind, int(p.Entries))) || !p.Kind.valid() {
			return fmt.Errorf("impossible pack %d", p.Number)
		}
	}
	return nil
}
