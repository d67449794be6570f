package capture

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// A snapshot that somebody merges while its disks are read gives no generation,
// even where no file shows it.
func TestSnapshotMergedWhileRead(t *testing.T) {
	for _, method := range []Method{StopSnapshot, Snapshot} {
		t.Run(string(method), func(t *testing.T) {
			h := newHouse(t, "web")
			req := h.request(method)
			req.Step = func(step string) {
				if step == "reading" {
					h.snapshots["web"] = nil
				}
			}
			if _, err := Capture(t.Context(), h.repo, req); err == nil || !strings.Contains(err.Error(), "is not among the VM's snapshots") {
				t.Errorf("captured: %v", err)
			}
			if n := h.generations(); n != 0 {
				t.Errorf("%d generations", n)
			}
			h.asItWas("web")
		})
	}
}

// A frozen disk that changes after it was read gives none either.
func TestFrozenDiskThatChanges(t *testing.T) {
	h := newHouse(t, "db", "web")
	req, reads := h.request(StopSnapshot), 0
	req.Step = func(step string) {
		if step != "reading" {
			return
		}
		if reads++; reads == 2 { // db has been read
			if err := os.Chtimes(h.path("db", "-flat.vmdk"), time.Time{}, time.Unix(1, 0)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), req); !errors.Is(err, repo.ErrChanged) {
		t.Errorf("captured: %v", err)
	}
	if n := h.generations(); n != 0 {
		t.Errorf("%d generations", n)
	}
	h.asItWas("db", "web")
}

// What the configuration keeps of a snapshot's disks is in memory and may
// change meanwhile: the guest runs on another disk by then.
func TestHeldFilesMayChange(t *testing.T) {
	h := newHouse(t, "web")
	before, err := os.ReadFile(h.path("web", ".vmx"))
	if err != nil {
		t.Fatal(err)
	}
	h.during["snapshot web"] = func() error {
		h.write(h.path("web", ".vmx"), config("web-000001.vmdk"))
		return nil
	}
	result, err := Capture(t.Context(), h.repo, h.request(StopSnapshot))
	if err != nil {
		t.Fatal(err)
	}
	if f := result.Generation.File("web.vmx"); f == nil || f.Size != int64(len(before)) || result.Generation.Consistency != format.Clean {
		t.Errorf("captured the .vmx as %+v, %s", f, result.Generation.Consistency)
	}
}

// A VM that is off and gets a snapshot after it was planned is not captured
// without the new disk, which its .vmx names.
func TestDiskAddedToVMThatIsOff(t *testing.T) {
	for what, capture := range map[string]func(*house) error{
		"alone": func(h *house) error {
			_, err := Capture(t.Context(), h.repo, h.request(StopSnapshot))
			return err
		},
		"in a team": func(h *house) error {
			_, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), h.request(StopSnapshot))
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t, "db", "web")
			h.down("web")
			grow := func() error {
				h.write(filepath.Join(h.dir, "web", "web-000001.vmdk"), descriptor("web-000001-flat.vmdk", "web.vmdk"))
				h.write(filepath.Join(h.dir, "web", "web-000001-flat.vmdk"), sector)
				h.write(h.path("web", ".vmx"), config("web-000001.vmdk"))
				return nil
			}
			h.during["stop db"] = grow
			if what == "alone" {
				h.during["version"] = grow
			}
			if err := capture(h); !errors.Is(err, repo.ErrChanged) || !strings.Contains(err.Error(), "web-000001") {
				t.Errorf("captured: %v", err)
			}
			if n := h.generations(); n != 0 {
				t.Errorf("%d generations", n)
			}
			h.asItWas("db")
		})
	}
}

// A guest that somebody starts before its disks are frozen is not called clean.
func TestStartedBeforeTheSnapshot(t *testing.T) {
	for started, want := range map[bool]format.Consistency{false: format.Clean, true: format.Crash} {
		t.Run(fmt.Sprint(started), func(t *testing.T) {
			h := newHouse(t, "web")
			h.during["snapshot web"] = func() error {
				if started {
					h.write(h.path("web", ".vmx.lck/M00001.lck"), "")
				}
				return nil
			}
			var said bytes.Buffer
			req := h.request(StopSnapshot)
			req.Log = slog.New(slog.NewTextHandler(&said, nil))
			result, err := Capture(t.Context(), h.repo, req)
			if err != nil {
				t.Fatal(err)
			}
			if result.Generation.Consistency != want || strings.Contains(said.String(), "somebody started the guest") != started {
				t.Errorf("recorded as %s, and said:\n%s", result.Generation.Consistency, &said)
			}
		})
	}
}

// Hot snapshots of several VMs that run are of no one point in time.
func TestTeamByHotSnapshots(t *testing.T) {
	h := newHouse(t, "db", "web")
	team, req := h.team("db", "web"), h.request(Snapshot)
	for _, f := range InspectTeam(t.Context(), h.repo, team, req) {
		if len(f.Problems) != 1 || Hint(f.Problems[0]) == "" {
			t.Errorf("problems %v, want one with a hint", f.Problems)
		}
	}
	if _, err := CaptureTeam(t.Context(), h.repo, team, req); err == nil || Hint(err) == "" {
		t.Errorf("captured: %v", err)
	}
	if len(h.calls) > 0 {
		t.Errorf("it was refused after %q", h.calls)
	}
	h.down("web")
	if found := InspectTeam(t.Context(), h.repo, team, req); len(found[0].Problems) > 0 {
		t.Errorf("one runs, and there are problems: %v", found[0].Problems)
	}
	if results, err := CaptureTeam(t.Context(), h.repo, team, req); err != nil || len(results) != 2 {
		t.Errorf("one runs: %v", err)
	}
	h.asItWas("db")
}

// Guests that are frozen before the first snapshot and thawed after the last may
// be snapshotted one after the other; if one is not, there is no generation.
func TestTeamOfFrozenGuests(t *testing.T) {
	h := newHouse(t, "db", "web")
	req := h.request(Snapshot)
	req.Freeze, req.Thaw = []string{"freeze"}, []string{"thaw"}
	results, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Generation.Consistency != format.Application || r.Unfinished != nil {
			t.Errorf("%s is %s, %v", r.Generation, r.Generation.Consistency, r.Unfinished)
		}
	}
	want := []string{"freeze web", "freeze db", "snapshot db", "snapshot web", "thaw db", "thaw web", "delete db", "delete web"}
	if !slices.Equal(h.calls, want) {
		t.Errorf("called %q, want %q", h.calls, want)
	}
	h.calls = nil
	h.during["freeze db"] = func() error { return errFault }
	if results, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), req); !errors.Is(err, errFault) || len(results) > 0 {
		t.Errorf("captured %v, %v", results, err)
	}
	if h.called("thaw db") < 0 || h.called("thaw web") < 0 || h.called("snapshot db") >= 0 {
		t.Errorf("called %q", h.calls)
	}
	h.asItWas("db", "web")
}

// No guest of a team waits until another one's snapshot is merged.
func TestGuestsComeBackBeforeMerging(t *testing.T) {
	h := newHouse(t, "db", "web")
	fail := true
	h.during["start web"] = func() error {
		if fail {
			fail = false
			return errFault
		}
		return nil
	}
	if _, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), h.request(StopSnapshot)); err != nil {
		t.Fatal(err)
	}
	if h.called("start web") > h.called("delete db") {
		t.Errorf("called %q", h.calls)
	}
	h.asItWas("db", "web")
}

// A panic goes on after the VMs were brought back.
func TestPanicBringsBack(t *testing.T) {
	for _, method := range []Method{StopSnapshot, Stop} {
		t.Run(string(method), func(t *testing.T) {
			h := newHouse(t, "db", "web")
			req := h.request(method)
			req.Step = func(step string) {
				if step == "reading" {
					panic(errFault)
				}
			}
			func() {
				defer func() {
					if cause := recover(); cause != error(errFault) {
						t.Errorf("the panic became %v", cause)
					}
				}()
				_, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), req)
				t.Errorf("captured: %v", err)
			}()
			h.asItWas("db", "web")
		})
	}
}

// All VMs of a set share what may be kept in memory, and logs leave room for the
// configurations.
func TestHeldTogether(t *testing.T) {
	h := newHouse(t, "db", "web")
	const long = (maxHeld - heldForConfig) * 3 / 4
	for _, vm := range []string{"db", "web"} {
		h.write(h.path(vm, ".log"), "")
		if err := os.Truncate(h.path(vm, ".log"), long); err != nil {
			t.Fatal(err)
		}
	}
	h.write(h.path("web", ".nvram"), strings.Repeat("n", heldForConfig/2))
	results, err := CaptureTeam(t.Context(), h.repo, h.team("db", "web"), h.request(StopSnapshot))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"db.log", "web.nvram"} {
		g := results[i].Generation
		var small []string
		for _, f := range g.Files {
			if ext := filepath.Ext(f.Path); ext == ".log" || ext == ".nvram" {
				small = append(small, f.Path)
			}
		}
		if !slices.Equal(small, []string{want}) {
			t.Errorf("%s holds %q, want %s", g, small, want)
		}
	}
}
