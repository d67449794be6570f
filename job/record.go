package job

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofrs/flock"

	"granary/capture"
	"granary/repo/storage"
)

// Record is what is kept of a VM's outcomes on this host. It holds no password.
// Bytes that are no UTF-8 are kept as \xff.
type Record struct {
	VM          string            `json:"vm"`
	Path        string            `json:"path"` // what the task names
	Host        string            `json:"host,omitempty"`
	HostFacts   map[string]string `json:"host_facts,omitempty"` // see host.FromFacts
	Journals    []string          `json:"journals,omitempty"`   // what names its VMs there
	LastAttempt Attempt           `json:"last_attempt"`
	LastSuccess *Attempt          `json:"last_success,omitempty"` // the newest that has a generation
}

// Attempt is one outcome.
type Attempt struct {
	Job         string               `json:"job,omitempty"`
	Repository  string               `json:"repository,omitempty"`
	Began       time.Time            `json:"began"`
	Ended       time.Time            `json:"ended"`
	Status      Status               `json:"status"`
	Error       string               `json:"error,omitempty"`
	Hint        string               `json:"hint,omitempty"`
	Generations []RecordedGeneration `json:"generations,omitempty"` // a team has several
	Downtime    *float64             `json:"downtime_seconds"`      // nil if unknown
	StoredBytes int64                `json:"stored_bytes"`
	ReadBytes   int64                `json:"read_bytes"`
	// Recoverable tells that nothing is wrong but that a VM is not as it was
	// found, PutRight when it was again.
	Recoverable bool       `json:"recoverable,omitempty"`
	PutRight    *time.Time `json:"put_right,omitempty"`
}

// RecordedGeneration is a generation that was made.
type RecordedGeneration struct {
	VM          string `json:"vm"`
	Generation  string `json:"generation"`
	Consistency string `json:"consistency"`
}

const (
	outcomesDir = "outcomes"
	recordExt   = ".json"
	// maxRecord bounds a record that is read, in bytes.
	maxRecord = 1 << 20
	// recordPatience is how long another process may hold the lock: it writes
	// one small file.
	recordPatience = 30 * time.Second
	recordPoll     = 10 * time.Millisecond
)

// RecordOutcome keeps an outcome, durably, in place of the VM's last one. The
// VM's last success is kept besides. The job and the repository may be empty;
// where no job names a VM that is not there and of which nothing is known, that
// is a slip of the pen, and not kept.
func RecordOutcome(stateDir, job, repository string, o Outcome) error {
	err := withRecords(stateDir, func(dir string) error {
		sum := sha256.Sum256([]byte(o.Task.identity()))
		path := filepath.Join(dir, fmt.Sprintf("%x%s", sum[:12], recordExt))
		// A record that cannot be read is replaced: this outcome is known.
		old, _ := readRecord(path)
		if old == nil && job == "" && o.foundNothing() {
			return nil
		}
		return writeRecord(path, newRecord(job, repository, o, old))
	})
	if err != nil {
		return fmt.Errorf("keep outcome of %q: %w", o.VM, err)
	}
	return nil
}

// withRecords does something in the folder of the records, under its lock.
func withRecords(stateDir string, do func(dir string) error) (err error) {
	dir := filepath.Join(stateDir, outcomesDir)
	if err := storage.MakeDirs(dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	ctx, cancel := context.WithTimeout(context.Background(), recordPatience)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, recordPoll); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return do(dir)
}

func writeRecord(path string, r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, 0o600, append(data, '\n'))
}

func newRecord(job, repository string, o Outcome, old *Record) Record {
	a := Attempt{Job: job, Repository: printable(repository), Began: o.Began.UTC(), Ended: o.Ended.UTC(), Status: o.Status,
		StoredBytes: o.stored(), ReadBytes: o.read(), Recoverable: recoverable(o.Err)}
	if downtime, known := o.downtime(); known {
		seconds := downtime.Seconds()
		a.Downtime = &seconds
	}
	if o.Err != nil {
		a.Error, a.Hint = printable(oneLine(o.Err)), printable(capture.Hint(o.Err))
	}
	for _, r := range o.Results {
		g := r.Generation
		a.Generations = append(a.Generations, RecordedGeneration{g.VM, g.Name, g.Consistency.String()})
	}
	r := Record{VM: printable(o.VM), Path: printable(o.Task.VM), Host: o.Task.HostName, HostFacts: map[string]string{}, LastAttempt: a}
	for key, value := range o.Task.Host.Facts() {
		r.HostFacts[printable(key)] = printable(value)
	}
	for _, name := range o.Journals {
		r.Journals = append(r.Journals, printable(name))
	}
	if old != nil {
		r.LastSuccess = old.LastSuccess
		if len(r.Journals) == 0 {
			r.Journals = old.Journals
		}
	}
	if len(o.Results) > 0 {
		r.LastSuccess = &a
	} else if old != nil && r.LastSuccess != nil {
		r.VM = old.VM // its name in the repository, which a failure may not learn
	}
	return r
}

// recoverable tells whether a recovery would leave nothing of an error.
func recoverable(err error) bool {
	switch err := err.(type) {
	case *UnfinishedError:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(err.Unwrap(), func(err error) bool { return !recoverable(err) })
	}
	return false
}

// ReadOutcomes reads what is kept of each VM. A record that cannot be read gives
// an error and hides no other.
func ReadOutcomes(stateDir string) (records []Record, broken []error) {
	err := eachRecord(filepath.Join(stateDir, outcomesDir), func(_ string, r *Record, err error) error {
		if err != nil {
			broken = append(broken, err)
		} else {
			records = append(records, *r)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		broken = append(broken, err)
	}
	return records, broken
}

// eachRecord reads each record in a folder; r is nil where err is not.
func eachRecord(dir string, do func(path string, r *Record, err error) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read outcomes: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); filepath.Ext(path) == recordExt {
			r, err := readRecord(path)
			errs = append(errs, do(path, r, err))
		}
	}
	return errors.Join(errs...)
}

func readRecord(path string) (*Record, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read outcome: %w", err)
	}
	if info.Size() > maxRecord {
		return nil, fmt.Errorf("read outcome: %s has %d bytes, more than %d", path, info.Size(), maxRecord)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read outcome: %w", err)
	}
	r := &Record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read outcome %s: %w", path, err)
	}
	if r.VM == "" || r.LastAttempt.Status == "" {
		return nil, fmt.Errorf("read outcome %s: it names no VM, or no status", path)
	}
	return r, nil
}

// printable is a text as UTF-8, two different texts staying different as a rule.
func printable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	quoted := strconv.Quote(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
