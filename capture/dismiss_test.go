package capture

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A journal that cannot be read may be of a VM that is down: it is told of, and
// only a person can say that it is done with.
func TestBrokenJournalsStay(t *testing.T) {
	for name, text := range map[string]string{
		"garbage": "\x00\xff\x13 no journal\n", "zeros": "\x00\x00\x00\x00", "another form": `{"steps":[]}` + "\n",
		"two torn lines":  `{"step":"begin","ti` + "\n" + `{"step":"st`,
		"no first record": `{"step":"stop","time":"2026-01-02T03:04:05Z"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			path := filepath.Join(state, journalsDir, "x"+journalExt)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if waiting, err := Pending(state); len(waiting) > 0 || Hint(err) == "" {
				t.Errorf("Pending = %q, %v; want an error with a hint", waiting, err)
			}
			recovered, err := Recover(t.Context(), RecoverOptions{StateDir: state})
			if err != nil || len(recovered) != 1 || recovered[0].VMX != path || recovered[0].Err == nil {
				t.Errorf("Recover = %+v, %v; want the failure of %s", recovered, err, path)
			}
			if _, err := Dismiss(state, "/vms/web.vmx"); !errors.Is(err, ErrNoJournal) {
				t.Errorf("Dismiss of another = %v", err)
			}
			if !exists(path) {
				t.Fatal("the journal is gone before anybody dismissed it")
			}
			if _, err := Dismiss(state, path); err != nil {
				t.Errorf("Dismiss = %v", err)
			}
			if waiting, err := Pending(state); len(waiting) > 0 || err != nil || exists(path) {
				t.Errorf("dismissed, Pending = %q, %v", waiting, err)
			}
		})
	}
}

// A VM is dismissed by its name or its journal's path, whatever other journals
// are like.
func TestDismiss(t *testing.T) {
	for name, by := range map[string]func(*journal) string{
		"by VM": func(j *journal) string { return j.intent.VMX }, "by journal": func(j *journal) string { return j.path },
	} {
		t.Run(name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "of [two")
			j := begun(t, state)
			began := j.steps[0].Time
			if _, err := Dismiss(state, by(j)); !errors.Is(err, ErrNoJournal) {
				t.Errorf("while its capture is at work: %v", err)
			}
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(state, journalsDir, "x"+journalExt), []byte("garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
			dismissed, err := Dismiss(state, by(j))
			if err != nil || len(dismissed) != 1 || dismissed[0].VMX != "/vms/web.vmx" || !dismissed[0].Began.Equal(began) {
				t.Errorf("Dismiss = %+v, %v", dismissed, err)
			}
			if waiting, _ := Pending(state); slices.Contains(waiting, "/vms/web.vmx") {
				t.Errorf("it still waits: %q", waiting)
			}
		})
	}
}
