package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"granary/capture/vcb"
	"granary/repo"
	"granary/repo/format"
)

// Exporter copies the disks of a VM, frozen by a snapshot of its own, to a
// folder that it makes; vcb.Client is one.
type Exporter interface {
	Version(ctx context.Context) (string, error)
	// Find returns t by its reference, which means it when it is off, too. It
	// returns vcb.ErrNotFound, or vcb.ErrCannotTell where nobody knows.
	Find(ctx context.Context, t vcb.Target) (vcb.Target, error)
	// Leftover tells whether a snapshot of an earlier export is in the way. It
	// returns vcb.ErrCannotTell where that cannot be found out.
	Leftover(ctx context.Context, t vcb.Target) (bool, error)
	DeleteLeftover(ctx context.Context, t vcb.Target) error
	Export(ctx context.Context, t vcb.Target, dir string) error
	Unmount(ctx context.Context, dir string) error
	// EndOrphans ends what a killed granary left working on a folder.
	EndOrphans(ctx context.Context, dir string) error
}

// ExportRequest says which VM to capture by way of an export. In Request, VMX
// is the VM as the hypervisor knows it and need not be a file of this machine;
// without a hypervisor it is empty and Quiesce is Snapshot.
type ExportRequest struct {
	Request
	Exporter Exporter
	Target   vcb.Target
	// Folder is where the export's own folder is made, and removed.
	Folder string
	// DeleteLeftover deletes a snapshot that an earlier export left.
	DeleteLeftover bool
	// SnapshotDeadline is how long a stopped guest waits for the export's
	// snapshot with StopSnapshot, 10 minutes if 0.
	SnapshotDeadline time.Duration
}

// export is the capture of one VM by way of an export.
type export struct {
	*run
	target   vcb.Target
	exporter Exporter
	folder   string
	dir      string // the export's own, in folder
	patience time.Duration
}

func newExport(r *repo.Repo, req ExportRequest) *export {
	e := &export{run: newRun(r, req.Request), target: req.Target, exporter: req.Exporter, folder: req.Folder, patience: req.SnapshotDeadline}
	if e.patience == 0 {
		e.patience = 10 * time.Minute
	}
	e.dir = filepath.Join(req.Folder, "granary-"+format.NewSessionID().String())
	e.machine.exporter, e.machine.target, e.machine.deleteLeftover = req.Exporter, req.Target, req.DeleteLeftover
	return e
}

// InspectExport looks at what CaptureExport would meet, and touches nothing. The
// plan is only known once the VM has been exported.
func InspectExport(ctx context.Context, r *repo.Repo, req ExportRequest) *Preflight {
	e := newExport(r, req)
	defer e.close()
	e.inspect(ctx)
	return e.preflight
}

// CaptureExport takes one generation of a VM by way of an export. With
// StopSnapshot the guest is started as soon as the export's snapshot exists,
// while the export goes on. The export's folder is removed afterwards.
func CaptureExport(ctx context.Context, r *repo.Repo, req ExportRequest) (*Result, error) {
	began := time.Now()
	e := newExport(r, req)
	defer e.close()
	e.inspect(ctx)
	for _, w := range e.preflight.Warnings {
		e.Log.Warn(w)
	}
	if err := errors.Join(e.preflight.Problems...); err != nil {
		return nil, err
	}
	var err error
	if e.writer, err = r.NewWriter(ctx, e.Program, "capture "+req.Target.String()); err != nil {
		return nil, err
	}
	if err := e.begin(); err != nil {
		return nil, err
	}
	g, err := e.takeOrRelease(ctx)
	back := e.machine.release(context.WithoutCancel(ctx))
	if err != nil {
		if back != nil {
			err = fmt.Errorf("%w; and the VM could not be brought back: %w", err, back)
		}
		return nil, err
	}
	if back != nil {
		back = fmt.Errorf("the VM is not as it was found: %w", back)
	}
	return &Result{Generation: g, Duration: time.Since(began), Downtime: e.machine.downtime, Unfinished: back}, nil
}

// takeOrRelease brings the VM back before a panic goes on.
func (e *export) takeOrRelease(ctx context.Context) (*repo.Generation, error) {
	panicking := true
	defer func() {
		if panicking {
			if err := e.machine.release(context.WithoutCancel(ctx)); err != nil {
				e.Log.Error("the VM could not be brought back", "vm", e.target.String(), "err", err)
			}
		}
	}()
	g, err := e.take(ctx)
	panicking = false
	return g, err
}

// key names the VM among the journals of this host.
func (e *export) key() string { return "vcb " + e.DriverFacts["address"] + " " + e.target.String() }

func (e *export) begin() error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	return e.machine.journal.begin(Intent{VMX: e.VMX, Target: e.target.String(), Export: e.dir, Found: e.preflight.State, Method: e.Quiesce,
		Driver: e.DriverFacts, Settle: e.Settle, Host: host, PID: os.Getpid()})
}

// take brings the VM to rest, exports it, reads the export and commits.
func (e *export) take(ctx context.Context) (*repo.Generation, error) {
	if err := e.machine.clearLeftover(ctx, false); err != nil {
		return nil, err
	}
	frozen := time.Now()
	if err := e.quiesce(ctx); err != nil {
		return nil, err
	}
	if e.downNow() {
		frozen = time.Now()
	}
	if err := e.exportNow(ctx); err != nil {
		return nil, err
	}
	plan, err := NewExportPlan(e.dir)
	if err != nil {
		return nil, err
	}
	if err := e.same(plan); err != nil {
		return nil, err
	}
	e.judge(plan)
	for _, w := range plan.Warnings {
		e.Log.Warn(w)
	}
	if plan.Origin == "" {
		plan.Origin = e.target.String()
	}
	if e.Name != "" {
		plan.Name = e.Name
	}
	e.plan = plan
	if err := e.own(ctx); err != nil {
		return nil, err
	}
	if err := e.read(ctx); err != nil {
		return nil, err
	}
	facts := map[string]string{"vcb.target": e.target.String(), "vcb.host": e.DriverFacts["address"], "vcb.mode": e.DriverFacts["mode"]}
	for key, value := range e.Facts {
		facts[key] = value
	}
	e.Facts = facts
	return e.commit(ctx, frozen)
}

// judge says what the disks are worth whose guest was suspended: vmrun does not
// tell such a VM from one that is off, and the state that the guest would go on
// from may be missing in the export.
func (e *export) judge(plan *Plan) {
	if e.preflight.State == Running && e.Quiesce != Suspend {
		return // a state that lies in the folder is an old one
	}
	if e.preflight.State == Off && (plan.Suspended || plan.Stateless) {
		e.preflight.State = Suspended
	}
	switch {
	case plan.Suspended:
		e.consistency = format.Suspended
	case plan.Stateless, e.consistency == format.Suspended:
		e.consistency = format.Crash
		plan.Warnings = append(plan.Warnings, "the guest is suspended, and its state is not in the export: the exported disks start as after a power cut")
	}
}

func (e *export) downNow() bool { return !e.machine.downSince.IsZero() }

// quiesce stops the guest where the method wants it. What vcbMounter's own
// snapshot of a running guest is worth is not known for sure: the Tools may have
// frozen its file systems, or not.
func (e *export) quiesce(ctx context.Context) (err error) {
	e.consistency = format.Crash
	if e.preflight.State == Off {
		e.consistency = format.Offline
	}
	if e.preflight.State != Running {
		return nil
	}
	switch e.Quiesce {
	case Stop, StopSnapshot:
		e.consistency, err = e.machine.stop(ctx, e.HardStop)
	case Suspend:
		e.consistency = format.Suspended
		err = e.machine.suspend(ctx)
	}
	return err
}

// same refuses the export of a VM that is not the one that vmrun knows by VMX.
// A datastore may have one name on a host and another in vCenter; where the paths
// in it cannot be told, both are believed.
func (e *export) same(plan *Plan) error {
	stopped, exported := pathInDatastore(e.VMX), pathInDatastore(plan.Origin)
	if e.Hypervisor == nil || stopped == "" || exported == "" || stopped == exported {
		return nil
	}
	return fmt.Errorf("vcbMounter exported %s, while %s was looked after: %w", plan.Origin, e.VMX, ErrOtherVM)
}

// pathInDatastore returns what follows the datastore in "[ds] dir/vm.vmx", and
// in the path that ESX itself has for it; "" for any other.
func pathInDatastore(vmx string) string {
	if rest, ok := strings.CutPrefix(vmx, "["); ok {
		_, rest, _ = strings.Cut(rest, "]")
		return strings.TrimLeft(path.Clean(rest), " /")
	}
	if rest, ok := strings.CutPrefix(vmx, "/vmfs/volumes/"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return path.Clean(rest)
	}
	return ""
}

// stillDown asks vmrun: the VM's files need not be on this machine.
func (e *export) stillDown(ctx context.Context) {
	running, err := e.Hypervisor.Running(ctx, e.VMX)
	if running {
		err = ErrRunning
	}
	e.stayedDown(err)
}

// exportNow exports the VM. With StopSnapshot a guest that was stopped is
// started once the export's snapshot exists; with the others that were brought
// down, once the export is whole.
func (e *export) exportNow(ctx context.Context) error {
	if e.Quiesce == StopSnapshot && e.downNow() {
		return e.exportBeside(ctx)
	}
	if err := e.machine.export(ctx); err != nil {
		return err
	}
	if e.downNow() || e.preflight.State == Off {
		e.stillDown(ctx)
	}
	if e.downNow() {
		e.startAgain(ctx)
	}
	return nil
}

// exportBeside exports a VM whose guest is down, and starts it meanwhile.
func (e *export) exportBeside(ctx context.Context) error {
	exporting, abandon := context.WithCancel(ctx)
	defer abandon()
	var both errgroup.Group
	ended := make(chan struct{})
	both.Go(func() error {
		defer close(ended)
		return e.machine.export(exporting)
	})
	waiting, stop := context.WithTimeout(ctx, e.patience)
	defer stop()
	there := e.machine.awaitExportSnapshot(waiting, ended)
	late := !there && waiting.Err() != nil && ctx.Err() == nil
	if there {
		e.stillDown(ctx)
		e.startAgain(ctx)
	} else if late {
		abandon()
	}
	err := both.Wait()
	if err != nil && late {
		return fmt.Errorf("export: its snapshot %s was not there after %s: %w", vcb.LeftoverSnapshot, e.patience, err)
	}
	if err == nil && e.downNow() {
		e.stillDown(ctx)
		e.startAgain(ctx)
	}
	return err
}
