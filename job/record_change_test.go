package job

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"granary/capture"
	"granary/capture/vcb"
	"granary/repo"
	"granary/repo/format"
)

// unfinished is the outcome of a team of two VMs whose guests are not up again.
func unfinished() Outcome {
	o := Outcome{Task: Task{VM: "/vms/shop.vmtm"}, VM: "shop", Status: Partly, Began: night, Ended: night.Add(time.Hour),
		Journals: []string{"/vms/a/a.vmx", "/vms/b/b\xe9.vmx"}, Results: []*capture.Result{result("a"), result("b")}}
	var left []error
	for _, vmx := range o.Journals {
		left = append(left, &UnfinishedError{vmx, "x@y", errors.New("it does not start")})
	}
	o.Err = errors.Join(left...)
	return o
}

func TestRecoveryPutsAttemptsRight(t *testing.T) {
	duringIt, later := night.Add(time.Minute), night.Add(2*time.Hour)
	for _, c := range []struct {
		name      string
		attempt   func(*Outcome)
		recovered capture.Recovered
		waiting   string // the journal of a VM that is still to be recovered
		putRight  bool
		open      bool
	}{
		{name: "a VM of it", recovered: capture.Recovered{VMX: "/vms/a/a.vmx", Began: duringIt}, putRight: true},
		{name: "one whose name is no UTF-8", recovered: capture.Recovered{VMX: "/vms/b/b\xe9.vmx", Began: duringIt}, putRight: true},
		{name: "another VM", recovered: capture.Recovered{VMX: "/vms/c/c.vmx", Began: duringIt}, open: true},
		{name: "in vain", recovered: capture.Recovered{VMX: "/vms/a/a.vmx", Began: duringIt, Err: errors.New("no")}, open: true},
		{name: "of a later capture", recovered: capture.Recovered{VMX: "/vms/a/a.vmx", Began: later}, open: true},
		{name: "while the other VM waits", recovered: capture.Recovered{VMX: "/vms/b/b\xe9.vmx", Began: duringIt}, waiting: "/vms/a/a.vmx", open: true},
		{name: "where a script failed, too", recovered: capture.Recovered{VMX: "/vms/a/a.vmx", Began: duringIt}, putRight: true, open: true,
			attempt: func(o *Outcome) { o.spoil(errors.New("the after-script failed")) }},
		{name: "where nothing was captured", recovered: capture.Recovered{VMX: "/vms/a/a.vmx", Began: duringIt}, putRight: true, open: true,
			attempt: func(o *Outcome) { o.Results, o.Status, o.Err = nil, Failed, errors.New("no") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			o := unfinished()
			if c.attempt != nil {
				c.attempt(&o)
			}
			record(t, dir, o)
			if c.waiting != "" {
				journal := fmt.Sprintf(`{"step":"begin","time":"2026-11-23T04:16:00Z","intent":{"vmx":%q,"host":"h"}}`+"\n", c.waiting)
				touch(t, dir, "journals/1.journal")
				if err := os.WriteFile(filepath.Join(dir, "journals", "1.journal"), []byte(journal), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := RecordRecovered(dir, []capture.Recovered{c.recovered}, later); err != nil {
				t.Fatal(err)
			}
			last := kept(t, dir).LastAttempt
			if (last.PutRight != nil) != c.putRight || c.putRight && !last.PutRight.Equal(later) {
				t.Errorf("put right: %v, want %t", last.PutRight, c.putRight)
			}
			if open := last.open(nil); open != c.open {
				t.Errorf("asks for a person: %t, want %t", open, c.open)
			}
		})
	}
}

func TestRecoveryOfNothingKeepsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := RecordRecovered(dir, nil, night); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// What nobody ever captured, and no job names, was mistyped.
func TestSlipsOfThePenAreNotKept(t *testing.T) {
	missing := fmt.Errorf("capture: %w", &missingError{os.ErrNotExist})
	for _, c := range []struct {
		name, job string
		before    bool // it was captured before
		err       error
		kept      bool
	}{
		{name: "a VM that is not there", err: missing},
		{name: "an export's that is not there", err: fmt.Errorf("capture: %w", vcb.ErrNotFound)},
		{name: "one that fails", err: os.ErrNotExist, kept: true},
		{name: "one that a job names", job: "nightly", err: missing, kept: true},
		{name: "one that was there", before: true, err: missing, kept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			task := Task{VM: "/vms/web.vmx"}
			if c.before {
				record(t, dir, outcomeOf(task, Captured, nil))
			}
			if err := RecordOutcome(dir, c.job, "/backup", outcomeOf(task, Failed, c.err)); err != nil {
				t.Fatal(err)
			}
			records, broken := ReadOutcomes(dir)
			if len(broken) > 0 || (len(records) == 1 && records[0].LastAttempt.Status == Failed) != c.kept {
				t.Errorf("kept %+v, %v", records, broken)
			}
		})
	}
}

func TestForgetOutcomes(t *testing.T) {
	team := unfinished()
	for _, vm := range []string{"shop", "a", "b", "/vms/shop.vmtm", "/vms/b/b\xe9.vmx"} {
		dir := t.TempDir()
		record(t, dir, outcomeOf(Task{VM: "/vms/web.vmx"}, Captured, nil))
		record(t, dir, team)
		if err := ForgetOutcomes(dir, vm); err != nil {
			t.Errorf("%q: %v", vm, err)
		}
		if r := kept(t, dir); r.VM != "web" {
			t.Errorf("%q: kept is %+v", vm, r)
		}
		if err := ForgetOutcomes(dir, vm); !errors.Is(err, ErrNoRecord) {
			t.Errorf("%q, once more: %v", vm, err)
		}
	}
}

// A failure without a generation, and a guest that still is down, say nothing
// of a downtime.
func TestDowntimeIsKeptIfKnown(t *testing.T) {
	of := func(committed int64, downtime time.Duration) *capture.Result {
		return &capture.Result{Generation: &repo.Generation{Manifest: &format.Manifest{VM: "a", Downtime: committed}, Name: "n"}, Downtime: downtime}
	}
	for _, c := range []struct {
		name    string
		results []*capture.Result
		want    float64
		known   bool
	}{
		{name: "nothing was captured"},
		{name: "never down", results: []*capture.Result{of(0, 0)}, known: true},
		{name: "up before the commit", results: []*capture.Result{of(2e9, 2*time.Second)}, want: 2, known: true},
		{name: "up after the commit", results: []*capture.Result{of(-1, 3*time.Second)}, want: 3, known: true},
		{name: "still down", results: []*capture.Result{of(-1, 0)}},
		{name: "one of a team still down", results: []*capture.Result{of(2e9, 2*time.Second), of(-1, 0)}},
		{name: "a team", results: []*capture.Result{of(2e9, 2*time.Second), of(4e9, 4*time.Second)}, want: 4, known: true},
	} {
		dir := t.TempDir()
		record(t, dir, Outcome{Task: Task{VM: "/a.vmx"}, VM: "a", Status: Partly, Results: c.results, Began: night, Ended: night})
		got := kept(t, dir).LastAttempt.Downtime
		if (got != nil) != c.known || got != nil && *got != c.want {
			t.Errorf("%s: %v, want %v, known: %t", c.name, got, c.want, c.known)
		}
	}
}
