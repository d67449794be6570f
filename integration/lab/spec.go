//go:build linux

package lab

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"granary/integration/guest"
)

// Subformats are the VMDK subformats that a machine's disks can have.
var Subformats = []string{
	"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", streamOptimized,
}

const streamOptimized = "streamOptimized"

// DefaultDiskSize leaves 64 MiB for the file system.
const DefaultDiskSize = 64<<20 + guest.RegionSize

const (
	minimumFilesystem = 16 << 20
	maximumDisks      = 7 // scsi0:7 is the controller itself
)

// Spec describes a machine. Only Dir and Name must be set. A name may hold
// anything but NUL; files are called by as much of it as they can be.
type Spec struct {
	Dir       string // the machine's own directory, made if absent
	Name      string
	Subformat string // one of Subformats; monolithicSparse unless set
	Disks     int    // 1 unless set
	DiskSize  int64  // DefaultDiskSize unless set; a multiple of 1 MiB
	// ExternalDisk is the directory of the last disk, if that is to lie outside Dir.
	ExternalDisk string
	// Chain is how many snapshots the machine has, each with some writing between.
	Chain int
	// Independent makes the last disk one that snapshots leave out.
	Independent bool
	// Encrypted makes it partially encrypted, as VMware calls that: the .vmx
	// wants a password (standin.Settings has it), the disks are readable.
	Encrypted bool
	// MemSize is the machine's memory in MiB, 512 unless set.
	MemSize int
}

func (s Spec) withDefaults() (Spec, error) {
	if s.Subformat == "" {
		s.Subformat = Subformats[0]
	}
	if s.Disks == 0 {
		s.Disks = 1
	}
	if s.DiskSize == 0 {
		s.DiskSize = DefaultDiskSize
	}
	if s.MemSize == 0 {
		s.MemSize = 512
	}
	switch {
	case strings.ContainsRune(s.Name, 0):
		return s, errors.New("a name with NUL in it")
	case s.MemSize < 4:
		return s, fmt.Errorf("%d MiB of memory: too few", s.MemSize)
	case s.Dir == "" || s.Name == "":
		return s, errors.New("a machine needs a directory and a name")
	case !slices.Contains(Subformats, s.Subformat):
		return s, fmt.Errorf("no subformat %q", s.Subformat)
	case s.Disks < 1 || s.Disks > maximumDisks:
		return s, fmt.Errorf("%d disks: 1 to %d are possible", s.Disks, maximumDisks)
	case s.DiskSize < guest.RegionSize+minimumFilesystem || s.DiskSize%(1<<20) != 0:
		return s, fmt.Errorf("a disk of %d bytes: it must hold %d and be whole MiB", s.DiskSize, guest.RegionSize+minimumFilesystem)
	}
	return s, nil
}
