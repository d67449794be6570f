package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// Request says which VM to capture, and how.
type Request struct {
	VMX     string // the configuration, as FindVMX gives it
	Name    string // overrides the VM's own name if not empty
	Quiesce Method
	// Hypervisor may be nil where Quiesce is None: then the VM's files have
	// to prove that it does not run.
	Hypervisor  Hypervisor
	Driver      string            // its name, for the manifest
	DriverFacts map[string]string // how recovery reaches it again; no passwords
	// HardStop stops a guest by force that does not stop softly.
	HardStop bool
	// Settle is how long after a stop that failed the guest may still go
	// down, a minute if 0.
	Settle time.Duration
	// FullScan reads files that look unchanged.
	FullScan bool
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
}

// Result is a VM that was captured.
type Result struct {
	Generation *repo.Generation
	Plan       *Plan
	Duration   time.Duration
	Downtime   time.Duration
	// Unfinished is why the VM is not as it was found, although the
	// generation is safe; nil if it is.
	Unfinished error
}

// run is one capture.
type run struct {
	Request
	repo    *repo.Repo
	plan    *Plan
	writer  *repo.Writer
	machine *machine
	parent  *repo.Generation
	// held are the small files as they were while the VM was at rest; later
	// they name the snapshot's disks.
	held map[string]heldFile

	consistency format.Consistency
	frozen      time.Time
	files       []format.File
}

// heldFile is a small file in memory.
type heldFile struct {
	entry format.File
	data  []byte
}

// Capture takes one generation of a VM. When it returns an error there is none
// and the VM is as it was found, or the error says why it is not.
func Capture(ctx context.Context, r *repo.Repo, req Request) (*Result, error) {
	c := &run{Request: req, repo: r}
	c.defaults()
	began := time.Now()
	var err error
	if c.plan, err = NewPlan(req.VMX); err != nil {
		return nil, err
	}
	if c.Name != "" {
		c.plan.Name = c.Name
	}
	for _, w := range c.plan.Warnings {
		c.Log.Warn(w)
	}
	if c.parent, err = c.newest(ctx); err != nil {
		return nil, err
	}
	j, err := lockVM(c.StateDir, c.plan.VMX)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.plan.VMX, err)
	}
	defer j.close()
	if j.pending() {
		return nil, fmt.Errorf("%s: an interrupted capture has to be put right first: run granary recover", c.plan.VMX)
	}
	if c.writer, err = r.NewWriter(ctx, c.Program, "capture "+c.plan.Name); err != nil {
		return nil, err
	}
	defer func() {
		if err := c.writer.Close(); err != nil {
			c.Log.Warn("session could not be closed", "err", err)
		}
	}()
	c.machine = &machine{hv: c.Hypervisor, vmx: c.plan.VMX, journal: j, log: c.Log, step: c.Step}
	g, unfinished, err := c.take(ctx)
	if err != nil {
		return nil, err
	}
	return &Result{Generation: g, Plan: c.plan, Duration: time.Since(began), Downtime: c.machine.downtime, Unfinished: unfinished}, nil
}

func (c *run) defaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Settle == 0 {
		c.Settle = time.Minute
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	if c.Total == nil {
		c.Total = func(int64) {}
	}
	c.held = map[string]heldFile{}
}

// take quiesces, reads and commits, and then lets the VM go, whatever came of
// it.
func (c *run) take(ctx context.Context) (g *repo.Generation, unfinished, err error) {
	state, err := c.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	if state != Running || c.Quiesce == None {
		g, err = c.takeAtRest(ctx, state)
		return g, nil, err
	}
	if err := c.coverable(); err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("begin journal: %w", err)
	}
	intent := Intent{VMX: c.plan.VMX, Found: state, Method: c.Quiesce, Driver: c.DriverFacts, Settle: c.Settle, Host: host, PID: os.Getpid()}
	if c.Quiesce == Snapshot || c.Quiesce == StopSnapshot {
		intent.Snapshot = snapshotPrefix + c.writer.ID().String()
	}
	if err := c.machine.journal.begin(intent); err != nil {
		return nil, nil, err
	}
	g, err = c.takeRunning(ctx)
	// Ctrl-C ends the reading, never the way back.
	back := c.machine.release(context.WithoutCancel(ctx))
	if err != nil {
		if back != nil {
			err = fmt.Errorf("%w; and the VM could not be brought back: %w", err, back)
		}
		return nil, nil, err
	}
	return g, back, nil
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
	running, err := c.Hypervisor.Running(ctx, c.plan.VMX)
	if err != nil {
		return "", fmt.Errorf("ask whether the VM runs: %w", err)
	}
	if running && c.Quiesce == None {
		return "", &runningError{"vmrun lists it", "stop it first, or choose another --quiesce"}
	}
	if running {
		return Running, nil
	}
	// The hypervisor knows only the VMs of its own user.
	return rest, c.plan.proveOff()
}

// coverable refuses methods that would tear a disk from the others.
func (c *run) coverable() error {
	if len(c.plan.NotCovered) > 0 && (c.Quiesce == Snapshot || c.Quiesce == StopSnapshot) {
		return fmt.Errorf("no snapshot covers the independent disk %s: use --quiesce stop or suspend", strings.Join(c.plan.NotCovered, ", "))
	}
	if c.Quiesce == Snapshot {
		c.Log.Warn("a hot snapshot is crash-consistent: a restored guest starts as after a power cut; stop-snapshot costs seconds and is clean")
	}
	return nil
}

// takeAtRest captures a VM that does not run, and proves afterwards that it
// did not begin to.
func (c *run) takeAtRest(ctx context.Context, state State) (*repo.Generation, error) {
	c.consistency, c.frozen = format.Offline, time.Now()
	if state == Suspended {
		c.consistency = format.Suspended
	}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	if c.Hypervisor != nil {
		running, err := c.Hypervisor.Running(ctx, c.plan.VMX)
		if err != nil {
			return nil, fmt.Errorf("ask whether the VM still is off: %w", err)
		}
		if running {
			return nil, &runningError{"it was started while it was read", "capture it again"}
		}
	}
	if err := c.stillAtRest(); err != nil {
		return nil, err
	}
	return c.commit(ctx, state)
}

// takeRunning is the state machine of each method, up to the commit. The
// machine's release undoes what it did.
func (c *run) takeRunning(ctx context.Context) (g *repo.Generation, err error) {
	m := c.machine
	switch c.Quiesce {
	case Stop, StopSnapshot:
		if c.consistency, err = m.stop(ctx, c.HardStop); err != nil {
			return nil, err
		}
	case Suspend:
		c.consistency = format.Suspended
		if err := m.suspend(ctx); err != nil {
			return nil, err
		}
	case Snapshot:
		c.consistency = format.Crash
	}
	if c.Quiesce != Snapshot {
		if err := c.rest(ctx); err != nil {
			return nil, err
		}
	}
	if err := c.replan(); err != nil {
		return nil, err
	}
	c.frozen = time.Now()
	if c.Quiesce == Snapshot || c.Quiesce == StopSnapshot {
		if err := c.hold(); err != nil {
			return nil, err
		}
		if err := m.snapshot(ctx); err != nil {
			return nil, err
		}
		if c.Quiesce == Snapshot {
			c.frozen = time.Now()
		}
	}
	if c.Quiesce == StopSnapshot {
		c.startAgain(ctx)
	}
	if err := c.read(ctx); err != nil {
		return nil, err
	}
	if c.Quiesce == Stop || c.Quiesce == Suspend {
		if err := c.stillAtRest(); err != nil {
			return nil, err
		}
		c.startAgain(ctx)
	}
	return c.commit(ctx, Running)
}

// startAgain ends the guest's downtime. What was read stays good if it does
// not succeed: the generation is saved, and release tries the start again.
func (c *run) startAgain(ctx context.Context) {
	if err := c.machine.start(context.WithoutCancel(ctx)); err != nil {
		c.Log.Warn("the guest does not start yet; its backup goes on", "err", err)
	}
}

// restTime is how long VMware may hold files of a VM that has stopped.
const restTime = 30 * time.Second

// rest waits until the files of a VM that vmrun called stopped are let go.
func (c *run) rest(ctx context.Context) error {
	for end := time.Now().Add(restTime); ; {
		err := c.plan.proveOff()
		if err == nil || !errors.Is(err, ErrRunning) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePoll):
		}
	}
}

// replan reads the configuration again: a VM that stopped or was suspended may
// have other files now, and a suspended one has a state to save.
func (c *run) replan() error {
	name := c.plan.Name
	plan, err := NewPlan(c.plan.VMX)
	if err != nil {
		return err
	}
	if c.Quiesce == Suspend && !plan.Suspended {
		return fmt.Errorf("the guest was suspended, but no .vmss file holds its state")
	}
	plan.Name = name
	c.plan = plan
	return nil
}

// commit makes the generation.
func (c *run) commit(ctx context.Context, state State) (*repo.Generation, error) {
	c.Step("committing")
	host, err := os.Hostname()
	if err != nil {
		c.Log.Debug("host name is unknown", "err", err)
	}
	facts := map[string]string{"driver": c.Driver, "quiesce": string(c.Quiesce), "host": host, "vm.path": c.plan.VMX, "vm.uuid": c.plan.UUID,
		"vm.state": string(state), "granary": c.Program}
	m := &format.Manifest{VM: c.plan.Name, Frozen: c.frozen.UnixNano(), Consistency: c.consistency, Downtime: c.downtime(), Files: c.files}
	for key, value := range facts {
		if value != "" {
			m.Facts = append(m.Facts, format.Fact{Key: key, Value: value})
		}
	}
	slices.SortFunc(m.Facts, func(a, b format.Fact) int { return strings.Compare(a.Key, b.Key) })
	return c.writer.Commit(ctx, m)
}

// downtime is how long the guest was down, in ns; unknown for one that is
// still down at the commit.
func (c *run) downtime() int64 {
	if !c.machine.downSince.IsZero() {
		return -1
	}
	return int64(c.machine.downtime)
}
