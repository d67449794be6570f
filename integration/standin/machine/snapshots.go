//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"granary/integration/standin/dictionary"
)

// Snapshot is one snapshot of the .vmsd. Keys it does not know it keeps.
type Snapshot struct {
	pairs []pair
}

type pair struct{ name, value string }

func (s *Snapshot) get(name string) string {
	for _, p := range s.pairs {
		if strings.EqualFold(p.name, name) {
			return p.value
		}
	}
	return ""
}

func (s *Snapshot) set(name, value string) {
	for i, p := range s.pairs {
		if strings.EqualFold(p.name, name) {
			s.pairs[i].value = value
			return
		}
	}
	s.pairs = append(s.pairs, pair{name, value})
}

// UID returns the snapshot's number; it is never used twice in a machine.
func (s *Snapshot) UID() string { return s.get("uid") }

// Parent returns the UID of the snapshot it was taken after, or "".
func (s *Snapshot) Parent() string { return s.get("parent") }

// Name returns the display name.
func (s *Snapshot) Name() string { return s.get("displayName") }

// frozen returns the names of the disks that the snapshot froze.
func (s *Snapshot) frozen() []string {
	var names []string
	for _, p := range s.pairs {
		if frozenKey.MatchString(p.name) {
			names = append(names, p.value)
		}
	}
	return names
}

var (
	frozenKey   = regexp.MustCompile(`(?i)^disk\d+\.fileName$`)
	snapshotKey = regexp.MustCompile(`(?i)^snapshot(\d+)\.(.+)$`)
)

// newSnapshot describes a snapshot of the disks given.
func newSnapshot(uid int, parent, name, state string, now time.Time, disks []Disk) *Snapshot {
	s := &Snapshot{}
	s.set("uid", strconv.Itoa(uid))
	s.set("filename", state)
	if parent != "" {
		s.set("parent", parent)
	}
	s.set("displayName", name)
	micros := now.UnixMicro()
	s.set("createTimeHigh", strconv.FormatInt(micros>>32, 10))
	s.set("createTimeLow", strconv.Itoa(int(int32(micros))))
	s.set("numDisks", strconv.Itoa(len(disks)))
	for i, disk := range disks {
		s.set(fmt.Sprintf("disk%d.fileName", i), disk.Name)
		s.set(fmt.Sprintf("disk%d.node", i), disk.Node)
	}
	return s
}

// snapshotList is the .vmsd.
type snapshotList struct {
	lastUID int
	current string // UID, or "" without snapshots
	list    []*Snapshot
}

func (m *Machine) vmsdPath() string {
	return filepath.Join(filepath.Dir(m.path), m.Stem()+".vmsd")
}

func (m *Machine) readSnapshots() (*snapshotList, error) {
	d, err := dictionary.Load(m.vmsdPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read snapshot list: %w", err)
	}
	l := &snapshotList{}
	if d == nil {
		return l, nil
	}
	l.lastUID, _ = strconv.Atoi(d.Get("snapshot.lastUID")) // absent in an empty list
	if l.current = d.Get("snapshot.current"); l.current == "0" {
		l.current = ""
	}
	byIndex := map[string]*Snapshot{}
	for _, name := range d.Names() {
		match := snapshotKey.FindStringSubmatch(name)
		if match == nil {
			continue
		}
		s := byIndex[match[1]]
		if s == nil {
			s = &Snapshot{}
			byIndex[match[1]] = s
			l.list = append(l.list, s)
		}
		s.set(match[2], d.Get(name))
	}
	return l, nil
}

// encode returns the .vmsd, its snapshots numbered anew.
func (l *snapshotList) encode() []byte {
	var d dictionary.Dictionary
	d.Set(".encoding", "UTF-8")
	d.Set("snapshot.lastUID", strconv.Itoa(l.lastUID))
	if l.current != "" {
		d.Set("snapshot.current", l.current)
	}
	for i, s := range l.list {
		for _, p := range s.pairs {
			d.Set(fmt.Sprintf("snapshot%d.%s", i, p.name), p.value)
		}
	}
	d.Set("snapshot.numSnapshots", strconv.Itoa(len(l.list)))
	if l.current != "" {
		d.Set("snapshot.mru0.uid", l.current)
	}
	return d.Bytes()
}

// Node is a snapshot in the tree of a machine's snapshots.
type Node struct {
	*Snapshot
	Depth int
}

// Snapshots returns the machine's snapshots, parents before children.
func (m *Machine) Snapshots() ([]Node, error) {
	l, err := m.readSnapshots()
	if err != nil {
		return nil, err
	}
	return l.below("", 0), nil
}

func (l *snapshotList) below(parent string, depth int) []Node {
	var nodes []Node
	for _, s := range l.list {
		if s.Parent() == parent {
			nodes = append(nodes, Node{s, depth})
			nodes = append(nodes, l.below(s.UID(), depth+1)...)
		}
	}
	return nodes
}

// find returns the one snapshot called name, which may be a path of names.
func (l *snapshotList) find(name string) (*Snapshot, error) {
	var found []*Snapshot
	for _, s := range l.list {
		if s.Name() == name || l.pathOf(s) == strings.TrimPrefix(name, "/") {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%q: %w", name, ErrNoSnapshot)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%q: %w", name, ErrNotUnique)
}

func (l *snapshotList) pathOf(s *Snapshot) string {
	for _, parent := range l.list {
		if s.Parent() != "" && parent.UID() == s.Parent() {
			return l.pathOf(parent) + "/" + s.Name()
		}
	}
	return s.Name()
}
