package job

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"granary/repo/storage"
)

// Runner runs a job. Job, StateDir and Capture are needed, the rest may be zero.
type Runner struct {
	Job *Job
	// Repository is where the generations go, for the records of outcomes.
	Repository string
	// StateDir holds the records of outcomes, and the locks of jobs.
	StateDir string
	// Capture captures one task, within its deadline: see Taker.Take. It is
	// called from several goroutines at once, and ends soon when ctx does.
	Capture func(ctx context.Context, t Task) Outcome
	// Forget removes the generations of a VM that the retention does not keep,
	// and names them. It is called after each capture, from several goroutines
	// at once, and only if the job keeps less than all.
	Forget func(ctx context.Context, vm string, keep Retention) ([]string, error)
	// Told is told of each outcome as it comes, of one at a time.
	Told func(Outcome)
	Log  *slog.Logger
	Now  func() time.Time
}

// run is one run of a job.
type run struct {
	Runner
	mu     sync.Mutex // guards failed, and lets Told hear one at a time
	failed []error    // of the job itself
}

// Run runs the job once. It returns ErrBusy if the job is running already; what
// else goes wrong is in the summary. When ctx ends, no more VMs are captured;
// the after-scripts run all the same, each until its deadline.
func (r Runner) Run(ctx context.Context) (s Summary, err error) {
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	lock, err := r.lock()
	if err != nil {
		return s, fmt.Errorf("run job %q: %w", r.Job.Name, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	c := &run{Runner: r}
	s = Summary{Job: r.Job.Name, Began: r.Now()}
	before := r.Job.Before.Run(ctx, jobVariables(r.Job.Name, jobBefore), r.Log)
	if before != nil {
		before = fmt.Errorf("the job's before-script: %w", before)
		c.fail(before)
	}
	tasks, warnings, err := r.Job.Tasks(ctx)
	if err != nil {
		c.fail(err)
	}
	s.Warnings = warnings
	s.Outcomes = c.all(ctx, tasks, before)
	s.Err = errors.Join(c.failed...)
	env := append(jobVariables(r.Job.Name, jobAfter), summaryVariables(s)...)
	if err := r.Job.After.Run(context.WithoutCancel(ctx), env, r.Log); err != nil {
		s.Err = errors.Join(s.Err, fmt.Errorf("the job's after-script: %w", err))
	}
	s.Ended = r.Now()
	return s, nil
}

// lock keeps a second run of the job out. The lock's file stays: removing it
// would let two processes hold locks of one name.
func (r Runner) lock() (*flock.Flock, error) {
	dir := filepath.Join(r.StateDir, "jobs")
	if err := storage.MakeDirs(dir, 0o700); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(r.Job.File + "\x00" + r.Job.Name))
	lock := flock.New(filepath.Join(dir, fmt.Sprintf("%x.lock", sum[:12])))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock job: %w", err)
	}
	if !ok {
		return nil, ErrBusy
	}
	return lock, nil
}

// fail notes what went wrong with the job itself.
func (c *run) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, err)
}

// all brings each task to its outcome. None is captured where there is a reason
// against all.
func (c *run) all(ctx context.Context, tasks []Task, against error) []Outcome {
	outcomes := make([]Outcome, len(tasks))
	capturing, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if against != nil {
		cancel(against)
	}
	places := make([]place, len(tasks))
	for i, t := range tasks {
		places[i] = placeOf(t)
	}
	left := schedule(capturing, places, c.Job.Limits, func(ctx context.Context, i int) {
		outcomes[i] = c.one(ctx, tasks[i])
		c.tell(outcomes[i])
	})
	for _, i := range left {
		now := c.Now()
		outcomes[i] = Outcome{Task: tasks[i], VM: tasks[i].label(), Status: Skipped, Began: now, Ended: now,
			Err: fmt.Errorf("%s: it was not begun: %w", tasks[i].label(), context.Cause(capturing))}
		c.tell(outcomes[i])
	}
	return outcomes
}

// tell keeps an outcome and passes it on.
func (c *run) tell(o Outcome) {
	if err := RecordOutcome(c.StateDir, c.Job.Name, c.Repository, o); err != nil {
		c.fail(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Told != nil {
		c.Told(o)
	}
}

// one captures a task between its scripts.
func (c *run) one(ctx context.Context, t Task) Outcome {
	o := Outcome{Task: t, VM: t.label(), Began: c.Now()}
	env := append(jobVariables(c.Job.Name, vmBefore), taskVariables(t, o.VM)...)
	if err := t.Before.Run(ctx, env, c.Log); err != nil {
		o.Status, o.Err = Skipped, fmt.Errorf("%s: the before-script: %w", o.VM, err)
	} else {
		o = c.capture(ctx, o)
	}
	env = append(jobVariables(c.Job.Name, vmAfter), taskVariables(t, o.VM)...)
	if err := t.After.Run(context.WithoutCancel(ctx), append(env, outcomeVariables(o)...), c.Log); err != nil {
		o.spoil(fmt.Errorf("%s: the after-script: %w", o.VM, err))
	}
	// Last, as the after-script may bring something back that waits for it.
	c.forget(ctx, &o)
	o.Ended = c.Now()
	return o
}

// capture calls Capture. A panic there is this VM's failure: the capture has
// brought the VM back and committed nothing, while a crash would leave the VMs of
// all other captures stopped, and their after-scripts undone.
func (c *run) capture(ctx context.Context, o Outcome) (done Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			c.Log.Error("a capture broke off", "vm", o.VM, "panic", cause, "stack", string(debug.Stack()))
			done = o
			done.Status, done.Err = Failed, fmt.Errorf("capture broke off by a fault of granary's: %v", cause)
		}
	}()
	done = c.Capture(ctx, o.Task)
	done.Task, done.Began = o.Task, o.Began
	if done.VM == "" {
		done.VM = o.VM
	}
	return done
}

// forget applies the retention to what was captured. After an interruption the
// next run does.
func (c *run) forget(ctx context.Context, o *Outcome) {
	if c.Forget == nil || c.Job.Retention == (Retention{}) || ctx.Err() != nil {
		return
	}
	for _, r := range o.Results {
		forgotten, err := c.Forget(ctx, r.Generation.VM, c.Job.Retention)
		o.Forgotten = append(o.Forgotten, forgotten...)
		if err != nil {
			o.spoil(fmt.Errorf("forget old generations of %q: %w", r.Generation.VM, err))
		}
	}
}
