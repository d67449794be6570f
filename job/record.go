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
	Downtime    float64              `json:"downtime_seconds"`
	StoredBytes int64                `json:"stored_bytes"`
	ReadBytes   int64                `json:"read_bytes"`
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
// VM's last success is kept besides. The job and the repository may be empty.
func RecordOutcome(stateDir, job, repository string, o Outcome) (err error) {
	dir := filepath.Join(stateDir, outcomesDir)
	if err := storage.MakeDirs(dir, 0o700); err != nil {
		return fmt.Errorf("keep outcome of %q: %w", o.VM, err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	ctx, cancel := context.WithTimeout(context.Background(), recordPatience)
	defer cancel()
	if _, err := lock.TryLockContext(ctx, recordPoll); err != nil {
		return fmt.Errorf("keep outcome of %q: %w", o.VM, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	sum := sha256.Sum256([]byte(o.Task.identity()))
	path := filepath.Join(dir, fmt.Sprintf("%x%s", sum[:12], recordExt))
	// A record that cannot be read is replaced: this outcome is known.
	old, _ := readRecord(path)
	data, err := json.MarshalIndent(newRecord(job, repository, o, old), "", "  ")
	if err != nil {
		return fmt.Errorf("keep outcome of %q: %w", o.VM, err)
	}
	if err := replaceFile(path, 0o600, append(data, '\n')); err != nil {
		return fmt.Errorf("keep outcome of %q: %w", o.VM, err)
	}
	return nil
}

func newRecord(job, repository string, o Outcome, old *Record) Record {
	a := Attempt{Job: job, Repository: printable(repository), Began: o.Began.UTC(), Ended: o.Ended.UTC(), Status: o.Status,
		Downtime: o.downtime().Seconds(), StoredBytes: o.stored(), ReadBytes: o.read()}
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
	if old != nil {
		r.LastSuccess = old.LastSuccess
	}
	if len(o.Results) > 0 {
		r.LastSuccess = &a
	} else if old != nil && r.LastSuccess != nil {
		r.VM = old.VM // its name in the repository, which a failure may not learn
	}
	return r
}

// ReadOutcomes reads what is kept of each VM. A record that cannot be read gives
// an error and hides no other.
func ReadOutcomes(stateDir string) (records []Record, broken []error) {
	dir := filepath.Join(stateDir, outcomesDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		broken = append(broken, fmt.Errorf("read outcomes: %w", err))
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != recordExt {
			continue
		}
		r, err := readRecord(filepath.Join(dir, e.Name()))
		if err != nil {
			broken = append(broken, err)
			continue
		}
		records = append(records, *r)
	}
	return records, broken
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
