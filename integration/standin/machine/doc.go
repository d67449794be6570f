// Package machine changes the directory of a virtual machine the way VMware
// does: it finds the disks that a .vmx names, makes real redo disks when a
// snapshot is taken, merges them when it is deleted, goes back to one on a branch
// of its own, and keeps .vmx, .vmsd and the lock directories in step.
//
// A Machine is opened for one operation and then dropped; it caches the .vmx.
// Callers keep two operations on one machine apart themselves. Each operation
// writes a journal before it leaves a state that could not be used, so whoever
// opens a machine whose last owner was killed calls Recover first.
//
// The package works on Linux, where qemu-img is; elsewhere it is empty.
package machine
