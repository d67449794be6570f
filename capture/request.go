package capture

import (
	"context"
	"log/slog"
	"time"

	"granary/capture/vmrun"
	"granary/repo"
)

// Hypervisor starts, stops and snapshots VMs, each named by its .vmx file. Its
// calls have deadlines of their own. A call that changes a VM is not torn by
// its context.
type Hypervisor interface {
	Version(ctx context.Context) (string, error)
	Running(ctx context.Context, vmx string) (bool, error)
	Start(ctx context.Context, vmx string) error
	Stop(ctx context.Context, vmx string, mode vmrun.Mode) error
	Suspend(ctx context.Context, vmx string, mode vmrun.Mode) error
	Snapshot(ctx context.Context, vmx, name string) error
	Snapshots(ctx context.Context, vmx string) ([]string, error)
	DeleteSnapshot(ctx context.Context, vmx, name string) error
	// RunInGuest returns when the program has ended with status 0.
	RunInGuest(ctx context.Context, vmx, program string, args ...string) error
	// WaitOrphans returns when no call that a killed granary left behind
	// works on the VM any more.
	WaitOrphans(ctx context.Context, vmx string) error
}

// Limiter bounds how fast disks are read: Wait returns when n more bytes may
// be.
type Limiter interface {
	Wait(ctx context.Context, n int) error
}

// Request says which VM to capture, and how.
type Request struct {
	VMX     string // the configuration on this machine, as FindVMX gives it
	Name    string // overrides the VM's own name if not empty
	Quiesce Method
	// Hypervisor may be nil where Quiesce is None: then the VM's files have
	// to prove that it does not run.
	Hypervisor  Hypervisor
	Driver      string            // its name, for the manifest
	DriverFacts map[string]string // how recovery reaches it again; no passwords
	// Freeze and Thaw are programs in the guest, each with its arguments, that
	// run around a hot snapshot. Where both succeed, it is recorded as
	// application-consistent.
	Freeze, Thaw []string
	// HardStop stops a guest by force that does not stop softly.
	HardStop bool
	// Settle is how long after a stop that failed the guest may still go
	// down, a minute if 0.
	Settle time.Duration
	// FullScan reads files that look unchanged.
	FullScan bool
	// Facts are more facts for the manifest, as the job's name.
	Facts map[string]string
	// ReadLimit bounds how fast disks are read; none if nil.
	ReadLimit Limiter
	// StateDir holds journals.
	StateDir string
	// Program is granary's name and version, for the manifest.
	Program string
	Log     *slog.Logger
	// Step is told what is being done, Total and Progress of the bytes to
	// capture and of those that are done. Each may be nil.
	Step     func(string)
	Total    func(bytes int64)
	Progress func(bytes int64)

	// also is a file that is captured with the VM's own.
	also string
}

// withDefaults fills in what may be left out.
func (r Request) withDefaults() Request {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Settle == 0 {
		r.Settle = time.Minute
	}
	if r.Step == nil {
		r.Step = func(string) {}
	}
	if r.Total == nil {
		r.Total = func(int64) {}
	}
	return r
}

// Result is a VM that was captured.
type Result struct {
	Generation *repo.Generation
	Duration   time.Duration
	Downtime   time.Duration
	// Unfinished is why the VM is not as it was found, or the generation less
	// consistent than asked for, although it is safe; nil if all is well.
	Unfinished error
}
