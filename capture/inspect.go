package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dustin/go-humanize"

	"granary/capture/vcb"
	"granary/capture/vmrun"
	"granary/repo"
	"granary/repo/storage"
)

// Preflight is what is known of a VM before anything is done to it.
type Preflight struct {
	Plan    *Plan  // nil if the VM's files make no whole
	Version string // of the hypervisor's program; empty without one
	State   State
	// Parent is the VM's newest generation, nil before the first.
	Parent *repo.Generation
	// Free is what the disk of the VM's folder has room for, in bytes, or -1;
	// Wanted is what the method may need there.
	Free, Wanted int64
	// Warnings keep nobody from capturing the VM, each of Problems does.
	Warnings []string
	Problems []error
}

// Inspect looks at a VM and its host as Capture does before it touches the VM,
// and touches nothing.
func Inspect(ctx context.Context, r *repo.Repo, req Request) *Preflight {
	c := newRun(r, req)
	defer c.close()
	c.inspect(ctx)
	return c.preflight
}

// inspect fills in the preflight, and takes the VM's lock.
func (c *run) inspect(ctx context.Context) {
	f := &Preflight{Free: -1}
	c.preflight = f
	problem := func(err error) bool {
		if err != nil {
			f.Problems = append(f.Problems, err)
		}
		return err != nil
	}
	var err error
	if c.plan, err = c.newPlan(); problem(err) {
		return
	}
	if c.Name != "" {
		c.plan.Name = c.Name
	}
	f.Plan = c.plan
	f.Warnings = append(f.Warnings, c.plan.Warnings...)
	if !problem(c.lock()) {
		problem(c.own(ctx))
	}
	if c.Hypervisor != nil {
		if problem(f.version(ctx, c.Hypervisor)) {
			return
		}
	}
	f.State, err = c.state(ctx)
	problem(err)
	problem(c.guestPrograms())
	if f.State == Running {
		problem(c.coverable())
		problem(c.room())
	}
	for _, name := range c.plan.Snapshots {
		if strings.HasPrefix(name, snapshotPrefix) {
			f.Warnings = append(f.Warnings, fmt.Sprintf("the snapshot %s was left by a capture that this host has no journal of; "+
				"if none is at work on another host, delete it: vmrun deleteSnapshot %q %s", name, c.VMX, name))
		}
	}
}

// version asks a program of VMware's for its version. One that cannot be run is
// an error; one that answers something else may still do its work.
func (f *Preflight) version(ctx context.Context, program interface {
	Version(context.Context) (string, error)
}) (err error) {
	f.Version, err = program.Version(ctx)
	if errors.Is(err, vmrun.ErrNoProgram) || errors.Is(err, vcb.ErrNoProgram) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		f.Warnings = append(f.Warnings, fmt.Sprintf("the program's version is unknown: %v", err))
	}
	return nil
}

// lock takes the VM's lock on this host.
func (c *run) lock() (err error) {
	// One VM, one journal, whatever link leads to it.
	real, err := filepath.EvalSymlinks(c.VMX)
	if err != nil {
		return fmt.Errorf("lock %s: %w", c.VMX, err)
	}
	if c.machine.journal, err = lockVM(c.StateDir, real, lockPatience); err != nil {
		return fmt.Errorf("%s: %w", c.VMX, err)
	}
	if c.machine.journal.pending() {
		return fmt.Errorf("%s: %w", c.VMX, ErrInterrupted)
	}
	return nil
}

// state tells how the VM is now. Without a hypervisor its files have to prove
// that it is off.
func (c *run) state(ctx context.Context) (State, error) {
	rest := Off
	if c.plan.Suspended {
		rest = Suspended
	}
	if c.Hypervisor == nil {
		return rest, c.plan.proveOff()
	}
	running, err := c.Hypervisor.Running(ctx, c.VMX)
	if err != nil {
		return "", fmt.Errorf("ask whether the VM runs: %w", err)
	}
	if running && c.Quiesce == None {
		return Running, &runningError{"vmrun lists it", "stop it first, or choose another --quiesce"}
	}
	if running {
		return Running, nil
	}
	// The hypervisor knows only the VMs of its own user.
	return rest, c.plan.proveOff()
}

// guestPrograms refuses freezing without thawing, and both where nobody would
// run them.
func (c *run) guestPrograms() error {
	switch {
	case len(c.Freeze) == 0 && len(c.Thaw) == 0:
		return nil
	case len(c.Freeze) == 0 || len(c.Thaw) == 0:
		return errors.New("a freeze program in the guest needs a thaw program, and the other way round")
	case c.Quiesce != Snapshot:
		return fmt.Errorf("freeze and thaw programs are for hot snapshots, not for --quiesce %s", c.Quiesce)
	}
	return nil
}

// coverable refuses methods that would tear a disk from the others.
func (c *run) coverable() error {
	if len(c.plan.NotCovered) > 0 && c.Quiesce.snapshots() {
		return fmt.Errorf("no snapshot covers the independent disk %s: use --quiesce stop or suspend", strings.Join(c.plan.NotCovered, ", "))
	}
	if c.Quiesce == Snapshot && len(c.Freeze) == 0 {
		c.preflight.Warnings = append(c.preflight.Warnings,
			"a hot snapshot is crash-consistent: a restored guest starts as after a power cut; stop-snapshot costs seconds and is clean")
	}
	return nil
}

// What a method may write beside the VM: a guest that writes to a full disk
// stops, or worse. Below leastRoom nothing is begun; redoShare of the disks is
// what a guest may well write while it is captured.
const (
	leastRoom = 64 << 20
	redoShare = 20
)

// room looks whether the disk of the VM's folder has room for its redo logs and
// memory.
func (c *run) room() error {
	if c.Quiesce == None || c.Quiesce == Stop {
		return nil
	}
	least := int64(leastRoom)
	if c.Quiesce != StopSnapshot { // its guest is off, and has no memory to save
		least += c.plan.Memory
	}
	f := c.preflight
	f.Wanted = least
	if c.Quiesce.snapshots() {
		f.Wanted += c.plan.Capacity / redoShare
	}
	var err error
	if f.Free, err = storage.Free(c.plan.WorkDir); err != nil {
		f.Free = -1
		f.Warnings = append(f.Warnings, fmt.Sprintf("how much room %s has is unknown: %v", c.plan.WorkDir, err))
		return nil
	}
	text := fmt.Sprintf("%s has room for %s; --quiesce %s may write %s there", c.plan.WorkDir, humanize.IBytes(uint64(f.Free)), c.Quiesce, humanize.IBytes(uint64(f.Wanted)))
	if f.Free < least {
		return &roomError{text}
	}
	if f.Free < f.Wanted {
		f.Warnings = append(f.Warnings, text+": watch it")
	}
	return nil
}

// roomError is a VM's disk that is too full.
type roomError struct{ text string }

func (e *roomError) Error() string { return e.text }
func (e *roomError) Hint() string {
	return "make room there: a guest that finds its disk full stops; or use --quiesce stop, which writes nothing"
}

// OurSnapshots names the snapshots of granary's that a VM on this machine has,
// as its .vmsd file tells.
func OurSnapshots(vmx string) ([]string, error) {
	if _, err := os.Stat(vmx); err != nil {
		return nil, fmt.Errorf("look for snapshots: %w", err)
	}
	list, err := readSnapshots(vmx)
	if err != nil || list == nil {
		return nil, err
	}
	var ours []string
	for _, name := range snapshotNames(list) {
		if strings.HasPrefix(name, snapshotPrefix) {
			ours = append(ours, name)
		}
	}
	return ours, nil
}

// InspectTeam looks at each VM of a team as CaptureTeam would.
func InspectTeam(ctx context.Context, r *repo.Repo, team *Team, req Request) []*Preflight {
	var found []*Preflight
	for _, vmx := range team.Members {
		member := req
		member.VMX, member.Name, member.also = vmx, "", team.File
		found = append(found, Inspect(ctx, r, member))
	}
	running := 0
	for _, f := range found {
		if f.State == Running {
			running++
		}
	}
	if err := oneMoment(req, running); err != nil {
		for _, f := range found {
			f.Problems = append(f.Problems, err)
		}
	}
	return found
}
