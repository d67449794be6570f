package job

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/capture"
	"granary/capture/host"
)

var night = time.Date(2026, 11, 23, 4, 15, 0, 0, time.UTC)

// outcomeOf is an outcome of a VM that began at night and took a minute.
func outcomeOf(t Task, status Status, err error) Outcome {
	o := Outcome{Task: t, VM: t.label(), Status: status, Err: err, Began: night, Ended: night.Add(time.Minute)}
	if status == Captured || status == Partly {
		o.Results = []*capture.Result{result(o.VM)}
	}
	return o
}

// kept is the only record there is.
func kept(t *testing.T, dir string) Record {
	t.Helper()
	records, broken := ReadOutcomes(dir)
	if len(records) != 1 || len(broken) != 0 {
		t.Fatalf("kept are %+v, broken are %v", records, broken)
	}
	return records[0]
}

func record(t *testing.T, dir string, o Outcome) {
	t.Helper()
	if err := RecordOutcome(dir, "nightly", "/backup", o); err != nil {
		t.Fatal(err)
	}
}

func TestOutcomesAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if records, broken := ReadOutcomes(dir); records != nil || broken != nil {
		t.Errorf("of nothing: %v, %v", records, broken)
	}
	task := Task{VM: "/vms/web/web.vmx", HostName: "esx", Host: host.Host{Type: "esx", Address: "esx.example.org", Password: host.Secret{Env: "P"}}}
	record(t, dir, outcomeOf(task, Captured, nil))
	downtime := 1.5
	success := Attempt{Job: "nightly", Repository: "/backup", Began: night, Ended: night.Add(time.Minute), Status: Captured,
		Generations: []RecordedGeneration{{"web", "2026-11-23T041500Z", "clean"}}, Downtime: &downtime, StoredBytes: 1000, ReadBytes: 5000}
	want := Record{VM: "web", Path: "/vms/web/web.vmx", Host: "esx", LastAttempt: success, LastSuccess: &success,
		HostFacts: map[string]string{"type": "esx", "address": "esx.example.org", "password-env": "P"}}
	if got := kept(t, dir); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestFailureKeepsTheLastSuccess(t *testing.T) {
	dir := t.TempDir()
	task := Task{VM: "/vms/x/x.vmx"}
	good := outcomeOf(task, Captured, nil)
	good.VM = "display name"
	record(t, dir, good)
	record(t, dir, outcomeOf(task, Failed, fmt.Errorf("read disk: %w", capture.ErrBusy)))
	record(t, dir, outcomeOf(task, Skipped, errors.New("first\nsecond")))
	r := kept(t, dir)
	if r.VM != "display name" || r.LastSuccess == nil || r.LastSuccess.Status != Captured {
		t.Errorf("the success is lost: %+v", r)
	}
	if r.LastAttempt.Status != Skipped || r.LastAttempt.Error != "first; second" {
		t.Errorf("the attempt is %+v", r.LastAttempt)
	}
	record(t, dir, outcomeOf(task, Failed, capture.ErrBusy))
	if r := kept(t, dir); r.LastAttempt.Hint == "" {
		t.Errorf("the hint is lost: %+v", r.LastAttempt)
	}
	partly := outcomeOf(task, Partly, errors.New("it does not start"))
	partly.Ended = night.Add(time.Hour)
	record(t, dir, partly)
	if r := kept(t, dir); r.LastSuccess.Status != Partly || !r.LastSuccess.Ended.Equal(partly.Ended) {
		t.Errorf("a generation that is safe is no success: %+v", r.LastSuccess)
	}
}

// One record for each VM of each host, however it is called.
func TestRecordsAreByVM(t *testing.T) {
	dir := t.TempDir()
	remote := host.Host{Address: "esx"}
	for _, task := range []Task{{VM: "/a.vmx"}, {VM: "/x/../a.vmx"}, {VM: "/a.vmx", Host: remote}, {VM: "[ds] a.vmx", Host: remote}, {VM: "/caf\xe9.vmx"}, {VM: "/caf\xe8.vmx"}} {
		record(t, dir, outcomeOf(task, Captured, nil))
	}
	records, _ := ReadOutcomes(dir)
	seen := map[string]bool{}
	for _, r := range records {
		seen[r.HostFacts["address"]+" "+r.Path] = true
	}
	want := map[string]bool{" /x/../a.vmx": true, "esx /a.vmx": true, "esx [ds] a.vmx": true, ` /caf\xe9.vmx`: true, ` /caf\xe8.vmx`: true}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestBrokenRecordsHideNoOther(t *testing.T) {
	dir := t.TempDir()
	task := Task{VM: "/vms/x.vmx"}
	record(t, dir, outcomeOf(task, Captured, nil))
	files, err := filepath.Glob(filepath.Join(dir, "outcomes", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	good, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"torn.json": string(good[:len(good)/2]), "empty.json": "", "other.json": "{}", "large.json": strings.Repeat(" ", 2<<20), ".new-1": "x"} {
		if err := os.WriteFile(filepath.Join(dir, "outcomes", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	records, broken := ReadOutcomes(dir)
	if len(records) != 1 || len(broken) != 4 {
		t.Errorf("got %+v, broken %v", records, broken)
	}
	// The next outcome puts the VM's own record right.
	if err := os.WriteFile(files[0], good[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	record(t, dir, outcomeOf(task, Failed, errors.New("no")))
	if records, _ := ReadOutcomes(dir); len(records) != 1 || records[0].LastAttempt.Status != Failed {
		t.Errorf("got %+v", records)
	}
}

func TestRecordsOfManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, outcomeOf(Task{VM: "/x.vmx"}, Captured, nil))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := RecordOutcome(dir, "", "", outcomeOf(Task{VM: "/x.vmx"}, Failed, errors.New("no"))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if r := kept(t, dir); r.LastSuccess == nil {
		t.Error("the success is lost")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "outcomes", ".new-*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestOutcomeThatCannotBeKeptIsTold(t *testing.T) {
	h := newHouse(t, "a")
	if err := os.MkdirAll(h.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.StateDir, "outcomes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := h.run(t.Context())
	if s.Err == nil || !strings.Contains(s.Err.Error(), `keep outcome of "a"`) || s.ExitStatus() != 3 {
		t.Errorf("got %v, exit status %d", s.Err, s.ExitStatus())
	}
}
