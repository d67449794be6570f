// Package guest is what runs inside a stand-in virtual machine: a writer whose
// disks prove, or disprove, that a copy of them shows one point in time.
//
// A real guest cannot be booted where VMware is absent, and an ordinary file
// system in a copied disk says little about when each block was read. So this
// guest writes stamps. The last part of every disk is a region of slots
// (RegionSize); the guest counts a sequence up and writes one record with that
// number to every disk, disk after disk, each write completed before the next
// one begins. A set of copied disks then tells by itself whether it was taken
// at one moment: see Verify for the rules and ErrTorn for their breach.
//
// The disks are real VMDK files. They are opened by qemu-nbd, one child process
// a disk, and written through a small NBD client, so that grain allocation,
// CIDs, split extents and backing files behave as the format demands.
//
// What to call: FormatDisk once on each raw image, Boot for a running guest,
// its Freeze and Thaw around a change of the disk files (as a snapshot does),
// Quiesce and Resume for what a freeze and a thaw program in the guest do,
// Shutdown or Kill at the end, and Verify on copies. Device gives plain access
// to a disk of a guest that is off.
//
// The package works on Linux, where qemu-nbd is; elsewhere it is empty.
package guest
