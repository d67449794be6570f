package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/capture"
	"granary/repo"
	"granary/repo/format"
)

// result is a generation as a capture makes it.
func result(vm string) *capture.Result {
	m := &format.Manifest{VM: vm, Consistency: format.Clean, StoredBytes: 1000, ReadBytes: 5000}
	return &capture.Result{Generation: &repo.Generation{Manifest: m, Name: "2026-11-23T041500Z"}, Downtime: 1500 * time.Millisecond}
}

func captured(_ context.Context, t Task) Outcome {
	return Outcome{VM: t.label(), Status: Captured, Results: []*capture.Result{result(t.label())}}
}

// house is a job over some VMs whose scripts write to a diary.
type house struct {
	*testing.T
	Runner
	dir string
}

// newHouse makes VMs and a job with all four scripts, each of which writes a
// line of what it learned.
func newHouse(t *testing.T, vms ...string) *house {
	t.Helper()
	h := &house{T: t, dir: t.TempDir()}
	h.Runner = Runner{Job: &Job{Name: "nightly", File: "/etc/jobs.yaml"}, StateDir: filepath.Join(h.dir, "state"), Repository: "/backup", Capture: captured}
	h.Job.Before, h.Job.After = h.diarist(`$GRANARY_PHASE $GRANARY_JOB`), h.diarist(`$GRANARY_PHASE $GRANARY_OUTCOME/$GRANARY_STATUS`+
		` $GRANARY_CAPTURED $GRANARY_PARTLY $GRANARY_FAILED $GRANARY_SKIPPED`)
	for _, vm := range vms {
		touch(t, h.dir, vm+"/"+vm+".vmx")
		h.Job.selections = append(h.Job.selections, selection{Task: Task{VM: filepath.Join(h.dir, vm, vm+".vmx"), HostName: "h",
			Before: h.diarist(`$GRANARY_PHASE $GRANARY_VM $GRANARY_HOST`),
			After:  h.diarist(`$GRANARY_PHASE $GRANARY_VM $GRANARY_OUTCOME/$GRANARY_STATUS`)}})
	}
	return h
}

// diarist is a script that writes a line.
func (h *house) diarist(line string) *Script {
	return sh(fmt.Sprintf(`echo "%s" >> '%s/diary'`, line, h.dir))
}

// diary is what the scripts wrote.
func (h *house) diary() []string {
	h.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "diary"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (h *house) wrote(want ...string) {
	h.Helper()
	if got := h.diary(); !slices.Equal(got, want) {
		h.Errorf("the scripts wrote\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (h *house) run(ctx context.Context) Summary {
	h.Helper()
	s, err := h.Runner.Run(ctx)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// ended checks how the tasks ended, and the exit status.
func (h *house) ended(s Summary, exit int, want ...Status) {
	h.Helper()
	var got []Status
	for _, o := range s.Outcomes {
		got = append(got, o.Status)
		if o.Ended.IsZero() || o.Began.IsZero() || o.Task.VM == "" || (o.Err == nil) != (o.Status == Captured) {
			h.Errorf("this outcome is not whole: %+v", o)
		}
	}
	if !slices.Equal(got, want) || s.ExitStatus() != exit {
		h.Errorf("ended %v with exit status %d (%v), want %v with %d", got, s.ExitStatus(), s.Err, want, exit)
	}
}

func TestRunCapturesAll(t *testing.T) {
	h := newHouse(t, "a", "b")
	var told []string
	h.Told = func(o Outcome) { told = append(told, o.VM) }
	s := h.run(t.Context())
	h.ended(s, 0, Captured, Captured)
	h.wrote("job-before nightly", "vm-before a h", "vm-after a captured/0", "vm-before b h", "vm-after b captured/0", "job-after captured/0 2 0 0 0")
	if !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told of %q", told)
	}
	records, broken := ReadOutcomes(h.StateDir)
	if len(records) != 2 || len(broken) > 0 || records[0].LastAttempt.Job != "nightly" || records[0].LastAttempt.Repository != "/backup" {
		t.Errorf("kept %+v, %v", records, broken)
	}
}

func TestOneFailureStopsNoOther(t *testing.T) {
	h := newHouse(t, "a", "b", "c", "d")
	h.Capture = func(ctx context.Context, task Task) Outcome {
		switch task.label() {
		case "a":
			return Outcome{Status: Failed, Err: errors.New("disk is gone")}
		case "b":
			panic("a fault")
		case "c":
			return Outcome{Status: Partly, Results: []*capture.Result{result("c")}, Err: errors.New("it does not start")}
		}
		return captured(ctx, task)
	}
	s := h.run(t.Context())
	h.ended(s, 3, Failed, Failed, Partly, Captured)
	h.wrote("job-before nightly", "vm-before a h", "vm-after a failed/1", "vm-before b h", "vm-after b failed/1",
		"vm-before c h", "vm-after c partly/3", "vm-before d h", "vm-after d captured/0", "job-after partly/3 1 1 2 0")
	if !strings.Contains(s.Outcomes[1].Err.Error(), "a fault") {
		t.Errorf("the panic is told as %v", s.Outcomes[1].Err)
	}
}

func TestNothingCapturedIsAFailure(t *testing.T) {
	h := newHouse(t, "a")
	h.Capture = func(context.Context, Task) Outcome { return Outcome{Status: Failed, Err: errors.New("no")} }
	h.ended(h.run(t.Context()), 1, Failed)
}

func TestFailingBeforeScriptSkipsTheVM(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.Job.selections[0].Before = sh("echo no room >&2; exit 1")
	s := h.run(t.Context())
	h.ended(s, 3, Skipped, Captured)
	h.wrote("job-before nightly", "vm-after a skipped/1", "vm-before b h", "vm-after b captured/0", "job-after partly/3 1 0 0 1")
	if text := s.Outcomes[0].Err.Error(); text != "a: the before-script: run script /bin/sh: exit status 1: no room" {
		t.Errorf("the reason is %q", text)
	}
}

func TestFailingBeforeScriptOfTheJobSkipsAll(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.Job.Before = sh("exit 1")
	h.Capture = func(context.Context, Task) Outcome {
		t.Error("a VM was captured")
		return Outcome{}
	}
	s := h.run(t.Context())
	h.ended(s, 1, Skipped, Skipped)
	h.wrote("job-after skipped/1 0 0 0 2")
	if s.Err == nil || !strings.Contains(s.Outcomes[0].Err.Error(), "the job's before-script") {
		t.Errorf("the reasons are %v and %v", s.Err, s.Outcomes[0].Err)
	}
}

func TestFailingAfterScripts(t *testing.T) {
	h := newHouse(t, "a", "b")
	h.Job.selections[0].After = sh("exit 1")
	s := h.run(t.Context())
	h.ended(s, 3, Partly, Captured)
	if len(s.Outcomes[0].Results) != 1 {
		t.Error("the generation is not reported")
	}

	h = newHouse(t, "a")
	h.Job.After = sh("exit 1")
	h.ended(h.run(t.Context()), 3, Captured)

	h = newHouse(t, "a")
	h.Job.selections[0].After = sh("exit 1")
	h.Capture = func(context.Context, Task) Outcome { return Outcome{Status: Failed, Err: errors.New("no")} }
	h.ended(h.run(t.Context()), 1, Failed)
}

// After an interruption nothing new begins, and whatever began is put right.
func TestInterruptedRunStillRunsAfterScripts(t *testing.T) {
	h := newHouse(t, "a", "b")
	ctx, cancel := context.WithCancelCause(t.Context())
	h.Capture = func(ctx context.Context, _ Task) Outcome {
		cancel(errors.New("SIGTERM"))
		<-ctx.Done()
		return Outcome{Status: Failed, Err: context.Cause(ctx)}
	}
	s := h.run(ctx)
	h.ended(s, 1, Failed, Skipped)
	h.wrote("job-before nightly", "vm-before a h", "vm-after a failed/1", "job-after failed/1 0 0 1 1")
	if !strings.Contains(s.Outcomes[1].Err.Error(), "SIGTERM") {
		t.Errorf("the reason is %v", s.Outcomes[1].Err)
	}
}

// A generation is safe when the run is interrupted; forgetting old ones can wait.
func TestInterruptedRunForgetsNothing(t *testing.T) {
	h := newHouse(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	h.Job.Retention = Retention{Last: 1}
	h.Capture = func(ctx context.Context, task Task) Outcome {
		cancel()
		return captured(ctx, task)
	}
	h.Forget = func(context.Context, string, Retention) ([]string, error) {
		t.Error("something was forgotten")
		return nil, nil
	}
	h.ended(h.run(ctx), 0, Captured)
}

// The job's before-script may be what brings the VMs into sight.
func TestVMsAreLookedForAfterTheBeforeScript(t *testing.T) {
	h := newHouse(t)
	h.Job.Before = sh(fmt.Sprintf("mkdir '%s/late' && touch '%s/late/late.vmx'", h.dir, h.dir))
	h.Job.selections = []selection{{Task: Task{VM: filepath.Join(h.dir, "*/*.vmx")}, line: "f:1"}}
	h.ended(h.run(t.Context()), 0, Captured)
}

func TestJobOfNothingFails(t *testing.T) {
	h := newHouse(t)
	h.Job.selections = []selection{{Task: Task{VM: filepath.Join(h.dir, "*/*.vmx")}, line: "f:1"}}
	s := h.run(t.Context())
	h.ended(s, 1)
	if !errors.Is(s.Err, ErrNoVMs) || len(s.Warnings) != 1 {
		t.Errorf("got %v and %q", s.Err, s.Warnings)
	}
	h.wrote("job-before nightly", "job-after failed/1 0 0 0 0")
}

func TestAJobRunsOnceAtATime(t *testing.T) {
	h := newHouse(t, "a")
	h.Capture = func(ctx context.Context, task Task) Outcome {
		if _, err := h.Runner.Run(ctx); !errors.Is(err, ErrBusy) {
			t.Errorf("a second run: %v", err)
		}
		other := h.Runner
		other.Job = &Job{Name: "other", File: h.Job.File}
		if s, err := other.Run(ctx); err != nil || !errors.Is(s.Err, ErrNoVMs) {
			t.Errorf("a run of another job: %v, %v", s.Err, err)
		}
		return captured(ctx, task)
	}
	h.ended(h.run(t.Context()), 0, Captured)
	h.Capture = captured
	h.ended(h.run(t.Context()), 0, Captured)
}

func TestRetentionFollowsGoodCaptures(t *testing.T) {
	h := newHouse(t, "a", "b", "c")
	h.Job.Retention = Retention{Last: 3}
	h.Job.selections[1].After = sh("exit 1") // partly, and its generation is safe
	h.Capture = func(ctx context.Context, task Task) Outcome {
		if task.label() == "c" {
			return Outcome{Status: Failed, Err: errors.New("no")}
		}
		return captured(ctx, task)
	}
	var mu sync.Mutex
	var asked []string
	h.Forget = func(_ context.Context, vm string, keep Retention) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprint(vm, keep.Last))
		return []string{vm + "@old"}, nil
	}
	s := h.run(t.Context())
	h.ended(s, 3, Captured, Partly, Failed)
	if !slices.Equal(asked, []string{"a3", "b3"}) || !slices.Equal(s.Outcomes[0].Forgotten, []string{"a@old"}) {
		t.Errorf("asked %q, forgotten %q", asked, s.Outcomes[0].Forgotten)
	}

	h.Forget = func(context.Context, string, Retention) ([]string, error) { return nil, errors.New("no room") }
	h.Job.selections = h.Job.selections[:1]
	h.ended(h.run(t.Context()), 3, Partly)

	h.Job.Retention = Retention{}
	h.ended(h.run(t.Context()), 0, Captured)
}

func TestScriptsLearnTheOutcome(t *testing.T) {
	h := newHouse(t, "a")
	h.Job.selections[0].HostName, h.Job.selections[0].Name = "esx 1", "own name"
	h.Job.selections[0].After = h.diarist(`$GRANARY_VM|$GRANARY_VMX|$GRANARY_HOST|$GRANARY_ERROR|$GRANARY_GENERATION|$GRANARY_STORED_BYTES|$GRANARY_DOWNTIME_SECONDS`)
	h.Capture = func(context.Context, Task) Outcome {
		return Outcome{VM: "team", Status: Partly, Results: []*capture.Result{result("one"), result("two")}, Err: errors.New("line 1\nline\x002\x07")}
	}
	h.run(t.Context())
	want := "team|" + h.dir + "/a/a.vmx|esx 1|line 1; line 2|one@2026-11-23T041500Z\ntwo@2026-11-23T041500Z|2000|1.500"
	if got := strings.Join(h.diary(), "\n"); !strings.Contains(got, "\n"+want+"\n") {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A full run keeps to the limits of the job.
func TestRunKeepsToItsLimits(t *testing.T) {
	h := newHouse(t, "a", "b", "c", "d", "e", "f")
	for i := range h.Job.selections {
		h.Job.selections[i].HostName = fmt.Sprint("h", i%3)
	}
	h.Job.Limits = Limits{Parallel: 2, PerHost: 1}
	var mu sync.Mutex
	running := map[string]int{}
	h.Capture = func(ctx context.Context, task Task) Outcome {
		change := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running[task.HostName] += n
			running["all"] += n
			if running[task.HostName] > 1 || running["all"] > 2 {
				t.Errorf("too many at once: %v", running)
			}
		}
		change(1)
		defer change(-1)
		return captured(ctx, task)
	}
	h.ended(h.run(t.Context()), 0, Captured, Captured, Captured, Captured, Captured, Captured)
}
