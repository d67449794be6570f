//go:build linux

package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"granary/integration/standin/dictionary"
)

// Errors that the caller words for its user.
var (
	ErrNotConfig       = errors.New("not a virtual machine configuration file")
	ErrNoSnapshot      = errors.New("the snapshot does not exist")
	ErrNotUnique       = errors.New("the name does not uniquely identify one snapshot")
	ErrIndependentDisk = errors.New("a powered-on machine with independent disks cannot be snapshotted")
	ErrUnsupported     = errors.New("the snapshot cannot be merged")
)

// Machine is a virtual machine's directory, seen through its .vmx.
type Machine struct {
	path    string // of the .vmx, absolute
	journal string
	config  *dictionary.Dictionary
	tool    imageTool
}

// Open reads the .vmx at path. Interrupted operations are recorded in the file
// journal, which lies outside the machine's directory.
func Open(path, journal string) (*Machine, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open machine: %w", err)
	}
	m := &Machine{path: path, journal: journal}
	return m, m.reload()
}

// Guard makes every program that the machine runs inherit file: a lock on it
// then outlives this process until none of them writes any more.
func (m *Machine) Guard(file *os.File) { m.tool.guard = file }

func (m *Machine) reload() error {
	config, err := dictionary.Load(m.path)
	if err != nil {
		return fmt.Errorf("open machine: %w", err)
	}
	if len(config.Names()) == 0 {
		return fmt.Errorf("open machine %s: %w", m.path, ErrNotConfig)
	}
	m.config = config
	return nil
}

// Config returns the .vmx as read. Store it at Path after a change.
func (m *Machine) Config() *dictionary.Dictionary { return m.config }

// Path returns the path of the .vmx.
func (m *Machine) Path() string { return m.path }

// Stem returns the name that VMware gives to new files of the machine.
func (m *Machine) Stem() string {
	return strings.TrimSuffix(filepath.Base(m.path), filepath.Ext(m.path))
}

// resolve returns the path of a file as the .vmx or .vmsd names it.
func (m *Machine) resolve(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(m.path), name)
}

// Disk is one virtual disk that the .vmx names.
type Disk struct {
	Node        string // as in scsi0:0
	Name        string // as the .vmx has it
	Path        string
	Independent bool // left out of snapshots
}

var diskKey = regexp.MustCompile(`(?i)^((scsi|sata|ide|nvme)(\d+):(\d+))\.fileName$`)

// Disks returns the disks in the order of their nodes.
func (m *Machine) Disks() []Disk {
	var disks []Disk
	for _, name := range m.config.Names() {
		match := diskKey.FindStringSubmatch(name)
		if match == nil || !m.config.True(match[1]+".present") {
			continue
		}
		kind := strings.ToLower(m.config.Get(match[1] + ".deviceType"))
		file := m.config.Get(name)
		if strings.Contains(kind, "cdrom") || !strings.EqualFold(filepath.Ext(file), ".vmdk") {
			continue
		}
		disks = append(disks, Disk{
			Node: match[1], Name: file, Path: m.resolve(file),
			Independent: strings.HasPrefix(strings.ToLower(m.config.Get(match[1]+".mode")), "independent"),
		})
	}
	sort.SliceStable(disks, func(i, j int) bool { return nodeLess(disks[i].Node, disks[j].Node) })
	return disks
}

func nodeLess(a, b string) bool {
	x, y := diskKey.FindStringSubmatch(a+".fileName"), diskKey.FindStringSubmatch(b+".fileName")
	if !strings.EqualFold(x[2], y[2]) {
		return strings.ToLower(x[2]) < strings.ToLower(y[2])
	}
	for field := 3; field <= 4; field++ {
		i, _ := strconv.Atoi(x[field]) // the pattern admits digits only
		j, _ := strconv.Atoi(y[field])
		if i != j {
			return i < j
		}
	}
	return false
}

// DiskPaths returns the paths of Disks.
func (m *Machine) DiskPaths() []string {
	var paths []string
	for _, disk := range m.Disks() {
		paths = append(paths, disk.Path)
	}
	return paths
}

// Chain returns every disk file the machine stands on: its disks and their
// parents.
func (m *Machine) Chain() ([]string, error) {
	var chain []string
	for _, path := range m.DiskPaths() {
		for path != "" {
			chain = append(chain, path)
			d, err := readDescriptor(path)
			if err != nil {
				return nil, err
			}
			path = d.parentPath()
		}
	}
	return chain, nil
}
