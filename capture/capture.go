package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"granary/repo"
	"granary/repo/format"
)

// Capture takes one generation of a VM. When it returns an error there is none
// and the VM is as it was found, or the error says why it is not.
func Capture(ctx context.Context, r *repo.Repo, req Request) (*Result, error) {
	results, err := captureSet(ctx, r, []Request{req})
	if len(results) == 0 {
		return nil, err
	}
	return results[0], err
}

// CaptureTeam takes the VMs of a team at one point in time, one generation
// each. They carry the facts "team", its name, "team.set", an ID that they have
// in common, and "team.size". req is for all of them; its VMX and Name are not
// used. Hot snapshots of several that run are refused, but for guests that are
// frozen. If anything fails before all disks are read there is no generation;
// where only the commit of one failed, the others are returned with the error.
func CaptureTeam(ctx context.Context, r *repo.Repo, team *Team, req Request) ([]*Result, error) {
	facts := map[string]string{teamFact: team.Name, setFact: format.NewSessionID().String(), sizeFact: fmt.Sprint(len(team.Members))}
	for key, value := range req.Facts {
		facts[key] = value
	}
	var reqs []Request
	for _, vmx := range team.Members {
		member := req
		member.VMX, member.Name, member.Facts, member.also = vmx, "", facts, team.File
		reqs = append(reqs, member)
	}
	return captureSet(ctx, r, reqs)
}

// run is the capture of one VM.
type run struct {
	Request
	repo      *repo.Repo
	preflight *Preflight
	plan      *Plan
	writer    *repo.Writer
	machine   *machine
	name      *flock.Flock // on the VM's name
	// held are the small files as they were while the VM was at rest; later
	// they name the snapshot's disks.
	held map[string]heldFile

	consistency format.Consistency
	files       []format.File
	unfinished  []error // why all is not well although the generation is safe
}

// heldFile is a small file in memory.
type heldFile struct {
	entry format.File
	data  []byte
}

func newRun(r *repo.Repo, req Request) *run {
	c := &run{Request: req.withDefaults(), repo: r, held: map[string]heldFile{}}
	c.machine = &machine{hv: c.Hypervisor, vmx: c.VMX, log: c.Log, step: c.Step}
	return c
}

// open inspects the VM, takes its lock and begins a session. Nothing is done to
// the VM yet.
func (c *run) open(ctx context.Context) (err error) {
	c.inspect(ctx)
	for _, w := range c.preflight.Warnings {
		c.Log.Warn(w)
	}
	if err := errors.Join(c.preflight.Problems...); err != nil {
		return err
	}
	c.writer, err = c.repo.NewWriter(ctx, c.Program, "capture "+c.plan.Name)
	return err
}

func (c *run) close() {
	if c.writer != nil {
		if err := c.writer.Close(); err != nil {
			c.Log.Warn("session could not be closed", "err", err)
		}
	}
	if c.name != nil {
		if err := c.name.Close(); err != nil {
			c.Log.Warn("the lock on the VM's name could not be closed", "err", err)
		}
	}
	if c.machine.journal != nil {
		if err := c.machine.journal.close(); err != nil {
			c.Log.Warn("journal could not be closed", "err", err)
		}
	}
}

// begin writes the journal's first record.
func (c *run) begin() error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	intent := Intent{VMX: c.VMX, Found: c.preflight.State, Method: c.Quiesce, Driver: c.DriverFacts, Thaw: c.Thaw, Settle: c.Settle, Host: host, PID: os.Getpid()}
	if c.Quiesce.snapshots() {
		intent.Snapshot = snapshotPrefix + c.writer.ID().String()
	}
	return c.machine.journal.begin(intent)
}

// startAgain ends the guest's downtime. What was read stays good if it does
// not succeed: the generation is saved, and release tries the start again.
func (c *run) startAgain(ctx context.Context) {
	if err := c.machine.start(context.WithoutCancel(ctx)); err != nil {
		c.Log.Warn("the guest does not start yet; its backup goes on", "vmx", c.VMX, "err", err)
	}
}

// restTime is how long VMware may hold files of a VM that has stopped, restPoll
// the time between two looks: the guest is down meanwhile.
const (
	restTime = 30 * time.Second
	restPoll = 20 * time.Millisecond
)

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
		case <-time.After(restPoll):
		}
	}
}

// newPlan plans the VM as it is now, with what the operator's argument brought
// along.
func (c *run) newPlan() (*Plan, error) {
	if c.also == "" {
		return NewPlan(c.VMX)
	}
	return NewPlan(c.VMX, c.also)
}

// replan reads the configuration again: a VM that stopped or was suspended may
// have other files now, and a suspended one has a state to save.
func (c *run) replan() error {
	name := c.plan.Name
	plan, err := c.newPlan()
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

// readAtRest captures the files of a VM that does not run, and proves
// afterwards that it did not begin to.
func (c *run) readAtRest(ctx context.Context) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	if c.Hypervisor != nil {
		running, err := c.Hypervisor.Running(ctx, c.VMX)
		if err != nil {
			return fmt.Errorf("ask whether the VM still is off: %w", err)
		}
		if running {
			return &runningError{"it was started while it was read", "capture it again"}
		}
	}
	return c.stillAtRest()
}

// commit makes the generation of a VM whose disks were frozen at that time.
func (c *run) commit(ctx context.Context, frozen time.Time) (*repo.Generation, error) {
	c.Step("committing")
	host, err := os.Hostname()
	if err != nil {
		c.Log.Debug("host name is unknown", "err", err)
	}
	facts := map[string]string{"driver": c.Driver, "driver.version": c.preflight.Version, "quiesce": string(c.Quiesce), "host": host,
		"vm.path": c.plan.Origin, "vm.uuid": c.plan.UUID, "vm.state": string(c.preflight.State), "granary": c.Program}
	for key, value := range c.Facts {
		facts[key] = value
	}
	m := &format.Manifest{VM: c.plan.Name, Frozen: frozen.UnixNano(), Consistency: c.consistency, Downtime: c.downtime(), Files: c.files}
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
