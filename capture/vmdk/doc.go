// Package vmdk reads the descriptors and the headers of VMware virtual disks.
//
// Start with [ReadDescriptor] for a file, or [ParseDescriptor] for bytes at
// hand; both give a [Descriptor], which lists the [Extent] files that hold the
// disk's data. [ParseSparseHeader] and [ParseCOWDHeader] read the headers of
// the two sparse kinds of them, and [CheckWhole] tells whether the file of one
// was cut short.
//
// What it promises:
//   - it only reads, and no more than it needs: one small read tells what a
//     file is, and a descriptor larger than 1 MiB is not read at all;
//   - no input makes it panic, and memory is bounded by those sizes;
//   - what it returns has passed its checks: sizes and offsets in bytes fit an
//     int64, so a caller may multiply sectors by [SectorSize] without a thought;
//   - a line that could be a damaged extent is an error. A backup that silently
//     left out an extent would be worse than one that fails.
//
// Which file is a descriptor follows from where its name stands: in the .vmx
// file or in a child's hint. Never ask ReadDescriptor about an extent, and go by
// [Extent.Type] there: the contents of a flat extent are the guest's, who may
// have written a descriptor into the first sector.
//
// The facts are from VMware's "Virtual Disk Format 5.0" and from VMware's
// open-vmdk; where these are silent, from the libvmdk project's notes and from
// descriptors as products wrote them.
package vmdk

// SectorSize is the size of a sector, the unit of all sizes and offsets in
// this format.
const SectorSize = 512

// maxSectors is the largest number of sectors whose bytes fit an int64.
const maxSectors = (1<<63 - 1) / SectorSize
