// Package fusefs shows the generations of a repository as plain directories,
// by FUSE:
//
//	MOUNT/web/2026-11-23T041500Z/web.vmx, web.vmdk, external/srv/disks/data.vmdk
//	MOUNT/web/latest -> 2026-11-23T041500Z
//
// What it promises:
//   - Nothing can be written, and no byte is shown that package repo has not
//     verified: damage is EIO, and its detail goes to the log.
//   - New generations appear in a running mount, and latest moves to them;
//     forgotten ones go. Both within twice Options.Refresh. A file that stays
//     open over that keeps its bytes or ends in EIO.
//   - Inode numbers are made from what a file is, not from when it was looked
//     at: they are the same in the next mount.
//   - Sizes and holes are honest: st_blocks, SEEK_DATA and SEEK_HOLE come from
//     the repository, so that sparse copies read only data.
//   - A reader that is interrupted does not disturb the others.
//
// Files and the folders of generations carry extended attributes with the facts
// of their capture, user.granary.root (the BLAKE3 root of a file) among them.
//
// Start from Mount, which returns a Server, and Unmount, which ends a mount that
// any process serves. Both work on Linux; elsewhere they give ErrUnsupported.
//
// Never touch a mount from the process that serves it, not even by a stat: if
// that process is killed meanwhile, it waits for itself and cannot die.
package fusefs
