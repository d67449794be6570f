// Package vmx reads VMware's virtual machine configuration, the .vmx file.
//
// Start with [Parse], which gives a [File]; ask it for single keys with
// [File.Get] and for the virtual disks with [File.Disks].
//
// The package only reads. Nothing here writes a .vmx file, because a
// configuration is backed up byte for byte and never rendered anew. It does no
// I/O either: the caller brings the bytes and resolves the names that come out.
//
// What it promises:
//   - the grammar is that of VMware's own parser, and what that parser takes
//     for malformed is never guessed at but reported by [File.Malformed];
//   - keys are looked up without regard to ASCII case;
//   - no input makes it panic, and its memory is bounded by [MaxSize];
//   - a [File] does not change once parsed and may be shared by goroutines.
//
// The grammar and the |XX escapes follow lib/dict/dictll.c and
// lib/misc/escape.c of VMware's open-vm-tools. Which keys make a disk follows
// published configurations of VMware's hosted and ESX products.
package vmx
