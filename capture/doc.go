// Package capture takes a virtual machine at one point in time: it plans which
// files belong to it, quiesces it, reads the frozen disks into a repository,
// and brings the machine back to how it was found.
//
// What it promises:
//   - All disks of one generation, and the configuration with them, are of one
//     point in time, or there is no generation.
//   - Whatever happens, the machine is brought back: each step is written to a
//     journal on this host before it acts on the machine. What an interrupted
//     capture left is put right by the next capture, or by Recover.
//   - Only snapshots that granary made are removed, found by their own name.
//   - No file of the machine is ever written to.
//
// Start from Capture, then NewPlan, Recover. Hypervisor is what a driver has
// to offer; package vmrun has one. Packages vmx and vmdk read the formats.
package capture

import (
	"errors"

	"granary/capture/vcb"
)

var (
	// ErrRunning means that a VM runs, or cannot be proven not to.
	ErrRunning = errors.New("virtual machine is running")
	// ErrRaw means that a disk is a device, which cannot be captured.
	ErrRaw = errors.New("raw device")
	// ErrNoDisks means that a configuration names no disk to capture.
	ErrNoDisks = errors.New("virtual machine has no disks")
	// ErrMissing means that a file that a disk is made of does not exist.
	ErrMissing = errors.New("file is missing")
	// ErrBusy means that another granary is at work on the VM.
	ErrBusy = errors.New("another granary is at work on this virtual machine")
	// ErrInterrupted means that an interrupted capture of the VM has to be put
	// right first, by Recover.
	ErrInterrupted = errors.New("an interrupted capture has to be put right first")
	// ErrOtherVM means that vcbMounter exported another VM than vmrun stops.
	ErrOtherVM = errors.New("another virtual machine was exported")
	// ErrName means that the name is taken by another VM.
	ErrName = errors.New("another virtual machine has this name")
)

// Hint is what an operator can do about an error of this package.
func Hint(err error) string {
	var hinted interface{ Hint() string }
	switch {
	case errors.Is(err, vcb.ErrLeftover):
		return "another backup of the VM may be at work; if none is, delete it with --delete-vcb-snapshot"
	case errors.As(err, &hinted) && hinted.Hint() != "":
		return hinted.Hint()
	case errors.Is(err, ErrRaw):
		return "a raw device cannot be captured as a file; detach it, or back it up inside the guest"
	case errors.Is(err, ErrMissing):
		return "bring the file back, or correct what names it; a VM is captured whole or not at all"
	case errors.Is(err, ErrNoDisks):
		return "is it the right .vmx file? granary looks for lines like scsi0:0.fileName"
	case errors.Is(err, ErrName):
		return "choose another name with --name"
	case errors.Is(err, ErrOtherVM):
		return "name the same VM for both: as vcbMounter's -a wants it, and with --vmx as vmrun does"
	case errors.Is(err, ErrNoMembers):
		return "name the team's VMs one by one"
	case errors.Is(err, ErrInterrupted):
		return "run granary recover"
	case errors.Is(err, ErrBusy):
		return "wait for it to end, or end it; granary recover puts right what a killed one left"
	}
	return ""
}
