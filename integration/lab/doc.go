// Package lab makes virtual machines to back up: directories as VMware leaves
// them, with real VMDK disks in any subformat, a real ext4 file system in front
// of each and the stamps of package guest behind it.
//
// MakeVM builds one from a Spec; equal specs make machines with equal file
// systems, and within one process with equal disks. MakeTeam puts machines into
// a team. ChangeFiles works in a machine that is off as an evening's use would.
// CheckFilesystem and ReadFile look into a disk, a restored one as well.
//
// A machine may have any name. Its directory is the caller's; its .vmx is called
// by the name as far as a file can be, its disks as far as a VMDK descriptor,
// which escapes nothing, can have it.
//
// The program vmlab below does the same for shell scripts.
//
// The package works on Linux, with qemu-utils and e2fsprogs; elsewhere it is
// empty.
package lab
