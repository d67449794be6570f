package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"granary/capture/vcb"
	"granary/repo/storage"
)

// inspect fills in the preflight, and takes the VM's lock.
func (e *export) inspect(ctx context.Context) {
	f := &Preflight{Free: -1}
	e.preflight = f
	problem := func(err error) bool {
		if err != nil {
			f.Problems = append(f.Problems, err)
		}
		return err != nil
	}
	if e.Hypervisor == nil && e.Quiesce != Snapshot {
		problem(fmt.Errorf("--quiesce %s needs to know the VM as vmrun does: name its .vmx, as [datastore] dir/x.vmx, or use --quiesce snapshot", e.Quiesce))
		return
	}
	var err error
	if problem(f.version(ctx, e.exporter)) {
		return
	}
	if problem(e.lock()) {
		return
	}
	problem(e.room(ctx))
	if e.Hypervisor != nil {
		if f.State, err = e.state(ctx); problem(err) || problem(e.find(ctx)) {
			return
		}
	}
	left, err := e.machine.leftover(ctx)
	if problem(err) || !left {
		return
	}
	if !e.machine.deleteLeftover {
		problem(vcb.ErrLeftover)
	}
}

func (e *export) lock() (err error) {
	if e.machine.journal, err = lockVM(e.StateDir, e.key(), lockPatience); err != nil {
		return fmt.Errorf("%s: %w", e.target, err)
	}
	if e.machine.journal.pending() {
		return fmt.Errorf("%s: %w", e.target, ErrInterrupted)
	}
	return nil
}

func (e *export) state(ctx context.Context) (State, error) {
	running, err := e.Hypervisor.Running(ctx, e.VMX)
	switch {
	case err != nil:
		return "", fmt.Errorf("ask whether the VM runs: %w", err)
	case running && e.Quiesce == None:
		return Running, &runningError{"vmrun lists it", "stop it first, or choose another --quiesce"}
	case running:
		return Running, nil
	}
	return Off, nil
}

// find makes sure that there is such a VM before a guest is brought down for it,
// and that it is found while it is down.
func (e *export) find(ctx context.Context) error {
	found, err := e.exporter.Find(ctx, e.target)
	down := e.preflight.State == Running && e.Quiesce != Snapshot
	switch byAddress := e.target.Kind == vcb.ByIPAddr; {
	case errors.Is(err, vcb.ErrCannotTell) && byAddress && down:
		return fmt.Errorf("%s is found only while it runs; name it by name:, uuid: or moref: for --quiesce %s: %w", e.target, e.Quiesce, err)
	case errors.Is(err, vcb.ErrCannotTell):
		return nil
	case err != nil:
		return fmt.Errorf("look for the VM: %w", err)
	case byAddress && down:
		e.machine.target = found
	}
	return nil
}

// room compares what the newest generation's disks need with what the folder
// for exports has.
func (e *export) room(ctx context.Context) (err error) {
	f := e.preflight
	if f.Free, err = storage.Free(e.folder); err != nil {
		return fmt.Errorf("the folder for exports: %w", err)
	}
	list, err := e.repo.Generations(ctx)
	if err != nil {
		return err
	}
	for _, g := range slices.Backward(list.Generations) {
		if g.Fact("vcb.target") == e.target.String() && g.Fact("vcb.host") == e.DriverFacts["address"] {
			f.Parent = g
			break
		}
	}
	if f.Parent == nil {
		f.Warnings = append(f.Warnings, fmt.Sprintf("how much room the export needs in %s is not known before the first (%s are free there)",
			e.folder, humanize.IBytes(uint64(f.Free))))
		return nil
	}
	for i := range f.Parent.Files {
		f.Wanted += f.Parent.Files[i].Allocated
	}
	if f.Free < f.Wanted {
		return &roomError{fmt.Sprintf("%s has room for %s; the last export had %s", e.folder, humanize.IBytes(uint64(f.Free)), humanize.IBytes(uint64(f.Wanted)))}
	}
	return nil
}
