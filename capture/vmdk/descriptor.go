package vmdk

import "strings"

// noParent is the ParentCID of a disk that has no parent.
const noParent = 0xFFFFFFFF

// Descriptor describes a virtual disk: one link of a chain of snapshots, or the
// base. Text is as the file has it, in the charset that Encoding names.
type Descriptor struct {
	// Version is that of the descriptor, 1 to 3 so far.
	Version int
	// Encoding is the charset of all text here, such as "UTF-8" or
	// "windows-1252". It is "" if not given, which means UTF-8.
	Encoding string
	// CID changes with the first write after each opening. It identifies
	// neither the disk nor its content, but a child records its parent's.
	CID uint32
	// ParentCID is the CID of the parent at the time of the snapshot.
	ParentCID uint32
	// CreateType is the kind of disk, such as "monolithicSparse".
	CreateType string
	// ParentFileNameHint names the parent's descriptor, relative to this one
	// or absolute. It can be "" even if there is a parent.
	ParentFileNameHint string
	// ChangeTrackPath names the file of changed block tracking, or is "".
	ChangeTrackPath string
	// NativeSnapshot says that the storage array keeps the snapshot.
	NativeSnapshot bool
	// Extents hold the disk's content, in order. There is at least one.
	Extents []Extent
	// DDB is the disk database: geometry, adapter, UUID and the like, by key
	// as written, without the leading "ddb.".
	DDB map[string]string
}

// HasParent reports whether the disk holds only what differs from its parent.
func (d *Descriptor) HasParent() bool { return d.ParentCID != noParent }

// Capacity returns the size of the disk in bytes, as the guest sees it.
func (d *Descriptor) Capacity() int64 {
	var sectors int64
	for _, e := range d.Extents {
		sectors += e.Sectors
	}
	return sectors * SectorSize
}

// Device reports whether the disk, or a part of it, is a device of the host
// instead of files.
//
// The descriptor can only say so much. An extent of type FLAT can name a device
// whatever the disk calls itself, so open extents as regular files only.
func (d *Descriptor) Device() bool {
	switch strings.ToLower(d.CreateType) {
	case "fulldevice", "partitioneddevice",
		"vmfsraw", "vmfsrdm", "vmfsrdmp",
		// What ESX in fact writes for the last two.
		"vmfsrawdevicemap", "vmfspassthroughrawdevicemap":
		return true
	}
	for _, e := range d.Extents {
		for _, device := range []string{"VMFSRDM", "VMFSRAW", "VMFSPASSTHROUGHRAW"} {
			if strings.HasPrefix(strings.ToUpper(e.Type), device) {
				return true
			}
		}
	}
	return false
}
