package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"granary/repo/storage"
)

// Step is what a journal says is about to be done, or has been.
type Step string

// The steps of a capture that act on a VM. Each stands in the journal before
// it is taken; the past ones are written when it has succeeded.
const (
	stepBegin       Step = "begin"
	stepStop        Step = "stop"
	stepStopped     Step = "stopped"
	stepSuspend     Step = "suspend"
	stepSuspended   Step = "suspended"
	stepSnapshot    Step = "snapshot"
	stepSnapshotted Step = "snapshotted"
	stepStart       Step = "start"
	stepStarted     Step = "started"
	stepFreeze      Step = "freeze"
	stepFrozen      Step = "frozen"
	stepThaw        Step = "thaw"
	stepThawed      Step = "thawed"
	stepExport      Step = "export"
	stepExported    Step = "exported"
	stepCleared     Step = "cleared"   // the export's snapshot is gone
	stepUnmounted   Step = "unmounted" // its folder is being removed
	stepDelete      Step = "delete"
	stepDeleted     Step = "deleted"
)

// failed is the step that says that s was not done, and will not be.
func (s Step) failed() Step { return s + "-failed" }

// Intent is a journal's first record: what recovery has to know.
type Intent struct {
	VMX      string            `json:"vmx"`
	Target   string            `json:"target,omitempty"` // of an export
	Export   string            `json:"export,omitempty"` // its folder
	Found    State             `json:"found,omitempty"`  // empty if unknown
	Method   Method            `json:"method"`
	Snapshot string            `json:"snapshot"`       // the name of ours, if one is made
	Driver   map[string]string `json:"driver"`         // how to reach the hypervisor; no passwords
	Thaw     []string          `json:"thaw,omitempty"` // the guest's program that ends what its freeze program began
	Settle   time.Duration     `json:"settle"`         // how long a stop may take effect late
	Host     string            `json:"host"`
	PID      int               `json:"pid"`
}

// MarshalJSON keeps names that are no UTF-8 byte for byte: recovery has to find
// the VM again.
func (i Intent) MarshalJSON() ([]byte, error) {
	type plain Intent
	return json.Marshal(plain(i.each(hideBytes[string])))
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (i *Intent) UnmarshalJSON(data []byte) error {
	type plain Intent
	if err := json.Unmarshal(data, (*plain)(i)); err != nil {
		return err
	}
	*i = i.each(showBytes)
	return nil
}

// each applies a change to each name and fact.
func (i Intent) each(change func(string) string) Intent {
	i.VMX, i.Target, i.Export, i.Host = change(i.VMX), change(i.Target), change(i.Export), change(i.Host)
	i.Thaw = slices.Clone(i.Thaw)
	for n := range i.Thaw {
		i.Thaw[n] = change(i.Thaw[n])
	}
	driver := map[string]string{}
	for key, value := range i.Driver {
		driver[change(key)] = change(value)
	}
	i.Driver = driver
	return i
}

// label names the VM for people.
func (i Intent) label() string {
	if i.VMX == "" {
		return i.Target
	}
	return i.VMX
}

// record is a line of a journal.
type record struct {
	Step   Step      `json:"step"`
	Time   time.Time `json:"time"`
	Intent *Intent   `json:"intent,omitempty"`
}

// journal is a file that says what a capture was about to do to a VM. It
// exists while the VM may be other than it was found.
type journal struct {
	path   string
	lock   *flock.Flock
	intent Intent

	mu    sync.Mutex // an export goes on while its guest is started
	file  *os.File
	steps []record
	torn  bool // the file may end in the middle of a line
}

const (
	journalsDir = "journals"
	journalExt  = ".journal"
	lockExt     = ".lock"
)

// lockVM takes the lock of a VM on this host; key names it. It returns ErrBusy
// where another process has it for longer than patience. A journal that lies
// there is read; else there is none yet.
func lockVM(stateDir, key string, patience time.Duration) (*journal, error) {
	dir := filepath.Join(stateDir, journalsDir)
	if err := storage.MakeDirs(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	sum := sha256.Sum256([]byte(key))
	return lockJournal(filepath.Join(dir, fmt.Sprintf("%x%s", sum[:12], journalExt)), patience)
}

// lockPatience is how long a capture waits for a VM's lock: those who only look
// at it hold the lock for a moment, too. lockPoll is the time between two tries.
const (
	lockPatience = 2 * time.Second
	lockPoll     = 20 * time.Millisecond
)

func lockJournal(path string, patience time.Duration) (*journal, error) {
	j, err := lockUnread(path, patience)
	if err != nil {
		return nil, err
	}
	if err := j.read(); err != nil {
		return nil, errors.Join(err, j.lock.Close())
	}
	return j, nil
}

// lockUnread takes the lock, whatever the journal holds.
func lockUnread(path string, patience time.Duration) (*journal, error) {
	j := &journal{path: path, lock: flock.New(strings.TrimSuffix(path, journalExt) + lockExt)}
	for end := time.Now().Add(patience); ; time.Sleep(lockPoll) {
		ok, err := j.lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock journal: %w", err)
		}
		if ok {
			return j, nil
		}
		if !time.Now().Before(end) {
			return nil, ErrBusy
		}
	}
}

// read takes in what earlier processes wrote. A torn line was the last of its
// process and never acted on; what a recovery wrote may follow it.
func (j *journal) read() error {
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	for line := range bytes.Lines(data) {
		var r record
		if err := json.Unmarshal(line, &r); err == nil {
			j.steps = append(j.steps, r)
		}
	}
	if len(j.steps) == 0 && neverBegun(data) {
		// Killed before the first record was whole: nothing was done.
		return j.remove()
	}
	if len(j.steps) == 0 || j.steps[0].Intent == nil {
		return &brokenJournalError{j.path}
	}
	j.intent = *j.steps[0].Intent
	return nil
}

// beginning is what each journal begins with.
const beginning = `{"step":"begin",`

// neverBegun tells whether data is a part of a first record, and nothing else.
func neverBegun(data []byte) bool {
	line := strings.TrimSuffix(string(data), "\n")
	return !strings.Contains(line, "\n") && (strings.HasPrefix(line, beginning) || strings.HasPrefix(beginning, line))
}

// brokenJournalError is a journal that recovery cannot go by.
type brokenJournalError struct{ path string }

func (e *brokenJournalError) Error() string {
	return fmt.Sprintf("read journal %s: it does not say of which VM it is", e.path)
}

func (e *brokenJournalError) Hint() string {
	return "some VM may be down, suspended or snapshotted: look, bring it back by hand, then granary recover --done " + e.path
}

// pending tells whether the journal waits for recovery.
func (j *journal) pending() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.steps) > 0
}

// has tells whether a step was written.
func (j *journal) has(step Step) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.steps, func(r record) bool { return r.Step == step })
}

// last is which of the steps was written last, empty if none was.
func (j *journal) last(steps ...Step) Step {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range slices.Backward(j.steps) {
		if slices.Contains(steps, r.Step) {
			return r.Step
		}
	}
	return ""
}

// unconfirmed tells whether a step was asked for and has neither succeeded nor
// failed since, and when it was asked for.
func (j *journal) unconfirmed(asked, done Step) (at time.Time, open bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.steps {
		switch r.Step {
		case asked:
			at, open = r.Time, true
		case done, asked.failed():
			open = false
		}
	}
	return at, open
}

// begin makes the journal durable, with what recovery has to know.
func (j *journal) begin(intent Intent) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.intent = intent
	f, err := os.OpenFile(j.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("begin journal: %w", err)
	}
	j.file = f
	if err := j.write(record{Step: stepBegin, Time: time.Now(), Intent: &intent}); err != nil {
		return err
	}
	return storage.SyncDir(filepath.Dir(j.path))
}

// note writes a step durably.
func (j *journal) note(s Step) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
		j.file, j.torn = f, true
	}
	return j.write(record{Step: s, Time: time.Now()})
}

// write is called with mu held.
func (j *journal) write(r record) error {
	line, err := json.Marshal(r)
	if err == nil {
		line = append(line, '\n')
		if j.torn {
			line = append([]byte{'\n'}, line...) // a torn line must not swallow this one
		}
		_, err = j.file.Write(line)
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.torn = true
		return fmt.Errorf("write journal: %w", err)
	}
	j.torn = false
	j.steps = append(j.steps, r)
	return nil
}

// remove says that the VM is as it was found.
func (j *journal) remove() error {
	err := j.closeFile()
	if rmErr := os.Remove(j.path); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	j.steps = nil
	return errors.Join(err, storage.SyncDir(filepath.Dir(j.path)))
}

func (j *journal) closeFile() error {
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// close lets go of the VM's lock. The lock's file stays: removing it would let
// two processes hold locks of one name.
func (j *journal) close() error {
	return errors.Join(j.closeFile(), j.lock.Close())
}
