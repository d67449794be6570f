package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Recovered is what recovery did with a VM.
type Recovered struct {
	VMX   string
	Found State // the state it was brought back to
	// Began is when the interrupted capture began.
	Began time.Time
	// Err is why the VM is not as it was found; its journal stays.
	Err error
}

// RecoverOptions say how to recover.
type RecoverOptions struct {
	// StateDir holds the journals.
	StateDir string
	// Connect gives the hypervisor that a journal's capture used, by the
	// facts in Request.DriverFacts.
	Connect func(facts map[string]string) (Hypervisor, error)
	Log     *slog.Logger
	// Step is told what is being done, if not nil.
	Step func(vmx, what string)
}

// Recover brings each VM back that an interrupted capture left stopped,
// suspended or snapshotted. VMs that a running capture works on are left
// alone. An error is one of reading the journals; that of a VM is in its
// Recovered.
func Recover(ctx context.Context, o RecoverOptions) ([]Recovered, error) {
	paths, err := filepath.Glob(filepath.Join(o.StateDir, journalsDir, "*"+journalExt))
	if err != nil {
		return nil, fmt.Errorf("look for journals: %w", err)
	}
	var all []Recovered
	for _, path := range paths {
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if r, met := recoverOne(ctx, o, path); met {
			all = append(all, r)
		}
	}
	return all, nil
}

// Pending names the journals that wait for recovery, without touching a VM.
func Pending(stateDir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(stateDir, journalsDir, "*"+journalExt))
	if err != nil {
		return nil, fmt.Errorf("look for journals: %w", err)
	}
	var waiting []string
	for _, path := range paths {
		j, err := lockJournal(path)
		if errors.Is(err, ErrBusy) {
			continue
		}
		if err != nil {
			return waiting, err
		}
		if j.pending() {
			waiting = append(waiting, j.intent.VMX)
		}
		if err := j.close(); err != nil {
			return waiting, err
		}
	}
	return waiting, nil
}

func recoverOne(ctx context.Context, o RecoverOptions, path string) (r Recovered, met bool) {
	j, err := lockJournal(path)
	if errors.Is(err, ErrBusy) {
		return Recovered{}, false
	}
	if err != nil {
		return Recovered{VMX: path, Err: err}, true
	}
	defer j.close()
	if !j.pending() {
		return r, false
	}
	r = Recovered{VMX: j.intent.VMX, Found: j.intent.Found, Began: j.steps[0].Time}
	r.Err = j.recover(ctx, o)
	return r, true
}

// recover puts the VM of a journal right; its lock is held.
func (j *journal) recover(ctx context.Context, o RecoverOptions) error {
	host, err := os.Hostname()
	if err == nil && j.intent.Host != host {
		return fmt.Errorf("the journal %s was written on host %s; run granary recover there", j.path, j.intent.Host)
	}
	hv, err := o.Connect(j.intent.Driver)
	if err != nil {
		return err
	}
	m := &machine{hv: hv, vmx: j.intent.VMX, journal: j, log: o.Log, step: func(what string) {
		if o.Step != nil {
			o.Step(j.intent.VMX, what)
		}
	}}
	if err := m.waitOrphans(ctx); err != nil {
		return err
	}
	return m.release(ctx)
}

// What a killed granary had begun goes on without it, and without a deadline:
// orphanTime is how long it is waited for, mergeTime where it may be merging.
const (
	orphanTime = 10 * time.Minute
	mergeTime  = 6 * time.Hour
)

func (m *machine) waitOrphans(ctx context.Context) error {
	limit := orphanTime
	if _, merging := m.journal.unconfirmed(stepDelete, stepDeleted); merging {
		limit = mergeTime
	}
	m.step("waiting for what the interrupted capture began")
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := m.hv.WaitOrphans(ctx, m.vmx); err != nil {
		return fmt.Errorf("wait for what the interrupted capture began: %w", err)
	}
	return nil
}
