package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"granary/capture"
	"granary/capture/host"
	"granary/capture/vcb"
	"granary/repo"
)

// Taker captures tasks into a repository.
type Taker struct {
	Repo *repo.Repo
	// StateDir holds the journals of this host, Program is granary's name and
	// version.
	StateDir, Program string
	// Facts are more facts for the manifests, as the job's name.
	Facts     map[string]string
	ReadLimit capture.Limiter // none if nil
	Log       *slog.Logger
	// Watch, if not nil, is told how far the capture of a task is.
	Watch func(t Task) Watcher
}

// Watcher is told how far a capture is, from any goroutine.
type Watcher interface {
	Say(step string)
	Expect(bytes int64)
	Add(bytes int64)
	End()
}

// Take captures a task: a VM, a team or an export. Its status is Failed,
// Captured, or Partly where a generation is safe and something else is not well.
func (t *Taker) Take(ctx context.Context, task Task) Outcome {
	o := Outcome{Task: task, VM: task.label(), Began: time.Now()}
	if task.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, task.Deadline, fmt.Errorf("the VM's deadline of %s has passed", task.Deadline))
		defer cancel()
	}
	var watcher Watcher
	if t.Watch != nil {
		watcher = t.Watch(task)
		defer watcher.End()
	}
	path := task.VM
	err := t.with(task, watcher, func(k kind) (err error) {
		path, o.Journals = k.path, k.journals
		o.Results, err = k.capture(ctx)
		return err
	})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", err, cause)
		}
		err = fmt.Errorf("capture %s: %w", path, err)
	}
	var unfinished []error
	for _, r := range o.Results {
		o.VM = r.Generation.VM
		if r.Unfinished != nil {
			unfinished = append(unfinished, &UnfinishedError{r.Generation.Fact("vm.path"), r.Generation.String(), r.Unfinished})
		}
	}
	if len(o.Results) > 1 {
		o.VM = capture.TeamOf(o.Results[0].Generation)
	}
	o.Err = errors.Join(append(unfinished, err)...)
	switch {
	case len(o.Results) == 0:
		o.Status = Failed
	case o.Err != nil:
		o.Status = Partly
	default:
		o.Status = Captured
	}
	o.Ended = time.Now()
	return o
}

// Inspect looks at a task's VMs as Take would, and touches nothing.
func (t *Taker) Inspect(ctx context.Context, task Task) (found []*capture.Preflight, err error) {
	err = t.with(task, nil, func(k kind) error {
		found = k.inspect(ctx)
		return nil
	})
	return found, err
}

// UnfinishedError says that a generation is safe, and what is not.
type UnfinishedError struct {
	Path       string // what names the VM
	Generation string
	Err        error
}

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("capture %s: the generation %s is safe, but %v", e.Path, e.Generation, e.Err)
}

// Unwrap returns what is not well.
func (e *UnfinishedError) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *UnfinishedError) Hint() string {
	if h := capture.Hint(e.Err); h != "" {
		return h + "; then run granary recover"
	}
	return "run granary recover"
}

// kind is what a task turns out to be.
type kind struct {
	path     string   // or what else names it
	journals []string // what names its VMs in journals
	capture  func(context.Context) ([]*capture.Result, error)
	inspect  func(context.Context) []*capture.Preflight
}

// missingError says that there is no VM where a task names one.
type missingError struct{ error }

func (e *missingError) Unwrap() error { return e.error }

// with finds out what a task is, connects to its host, and does something with
// it.
func (t *Taker) with(task Task, watcher Watcher, do func(kind) error) error {
	req, err := t.request(task, watcher)
	if err != nil {
		return err
	}
	if task.Host.Driver == host.VCB {
		export, err := t.exportRequest(task, req)
		if err != nil {
			return err
		}
		return do(kind{
			task.VM, []string{cmp.Or(export.VMX, export.Target.String())},
			func(ctx context.Context) ([]*capture.Result, error) {
				return single(capture.CaptureExport(ctx, t.Repo, export))
			},
			func(ctx context.Context) []*capture.Preflight {
				return []*capture.Preflight{capture.InspectExport(ctx, t.Repo, export)}
			},
		})
	}
	path, err := task.Host.Local(task.VM)
	if err != nil {
		return &missingError{err}
	}
	if capture.IsTeam(path) {
		team, err := capture.ReadTeam(path)
		if errors.Is(err, capture.ErrMissing) {
			return &missingError{err}
		}
		if err != nil {
			return err
		}
		return do(kind{
			path, team.Members,
			func(ctx context.Context) ([]*capture.Result, error) {
				return capture.CaptureTeam(ctx, t.Repo, team, req)
			},
			func(ctx context.Context) []*capture.Preflight {
				return capture.InspectTeam(ctx, t.Repo, team, req)
			},
		})
	}
	if req.VMX, err = capture.FindVMX(path); err != nil {
		if path != task.VM && errors.Is(err, fs.ErrNotExist) {
			err = &notMountedError{err}
		}
		return &missingError{err}
	}
	return do(kind{
		req.VMX, []string{req.VMX},
		func(ctx context.Context) ([]*capture.Result, error) {
			return single(capture.Capture(ctx, t.Repo, req))
		},
		func(ctx context.Context) []*capture.Preflight {
			return []*capture.Preflight{capture.Inspect(ctx, t.Repo, req)}
		},
	})
}

// notMountedError is a VM that is not where its datastore should be mounted.
type notMountedError struct{ error }

func (e *notMountedError) Unwrap() error { return e.error }
func (e *notMountedError) Hint() string  { return "is the datastore mounted there?" }

func single(result *capture.Result, err error) ([]*capture.Result, error) {
	if result == nil {
		return nil, err
	}
	return []*capture.Result{result}, err
}

// request is what all kinds of tasks have in common.
func (t *Taker) request(task Task, watcher Watcher) (capture.Request, error) {
	h := task.Host
	req := capture.Request{Name: task.Name, Quiesce: task.Quiesce, Driver: h.DriverName(), DriverFacts: h.Facts(), Freeze: task.Freeze, Thaw: task.Thaw,
		HardStop: task.HardStop, Settle: task.Settle, FullScan: task.FullScan, Facts: t.Facts, ReadLimit: t.ReadLimit,
		StateDir: t.StateDir, Program: t.Program, Log: t.Log}
	if watcher != nil {
		req.Step, req.Total, req.Progress = watcher.Say, watcher.Expect, watcher.Add
	}
	if req.Driver == host.VMRun || req.Driver == host.VCB && task.VMX != "" {
		client, err := h.VMRun(t.Log)
		if err != nil {
			return req, err
		}
		req.Hypervisor = client
	}
	return req, nil
}

func (t *Taker) exportRequest(task Task, req capture.Request) (capture.ExportRequest, error) {
	export := capture.ExportRequest{Request: req, Folder: task.Host.ExportDir, DeleteLeftover: task.DeleteVCBSnapshot,
		SnapshotDeadline: task.Host.Deadlines.Snapshot}
	export.VMX = task.VMX
	var err error
	if export.Target, err = vcb.ParseTarget(task.VM); err != nil {
		return export, err
	}
	export.Exporter, err = task.Host.VCB(t.Log)
	return export, err
}

// Connect reaches again what an interrupted capture used; it is for
// capture.RecoverOptions.
func Connect(log *slog.Logger) func(facts map[string]string, vmx, target string) (capture.Hypervisor, capture.Exporter, error) {
	return func(facts map[string]string, vmx, target string) (hv capture.Hypervisor, exporter capture.Exporter, err error) {
		h, err := host.FromFacts(facts)
		if err != nil {
			return nil, nil, fmt.Errorf("reach the host again: %w", err)
		}
		if vmx != "" {
			if hv, err = h.VMRun(log); err != nil {
				return nil, nil, err
			}
		}
		if target != "" {
			if exporter, err = h.VCB(log); err != nil {
				return nil, nil, err
			}
		}
		return hv, exporter, nil
	}
}
