//go:build linux

package standin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"granary/integration/guest"
	"granary/integration/standin/dictionary"
)

// StateVariable names the environment variable with the state directory.
const StateVariable = "VMRUN_STANDIN_STATE"

// State is the state directory of the stand-in. Its methods are safe beside
// running calls and beside each other.
type State struct {
	dir string
}

// Settings of a state; the zero value is that of a state without any.
type Settings struct {
	// Pause is how long guests rest after each write, as in "1ms"; "0s" makes
	// them write as fast as they can. Unset, it is two milliseconds.
	Pause string `json:"pause,omitempty"`
	// Cache is the cache mode of the disks, writethrough unless set.
	Cache guest.Cache `json:"cache,omitempty"`
	// Hosts are the servers that can be reached, by their names, as in
	// "esx1.example". Machines below their datastores are theirs.
	Hosts map[string]RemoteHost `json:"hosts,omitempty"`
	// Datastores maps names to directories, for every -T of a server, as long
	// as there are no Hosts; then every host and login is as good as another.
	Datastores map[string]string `json:"datastores,omitempty"`
	// Guest is the login of every guest; unset, any will do.
	Guest Login `json:"guest,omitzero"`
	// GuestPrograms are the programs in every guest, by their paths, and its
	// scripts, by their text.
	GuestPrograms map[string]GuestProgram `json:"guestPrograms,omitempty"`
	// VMPassword is what -vp must give for an encrypted machine.
	VMPassword string `json:"vmPassword,omitempty"`
}

// New opens the state in dir, which is made if it does not exist.
func New(dir string) (*State, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "vms"), 0o755); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	return &State{dir: dir}, nil
}

// Dir returns the directory, absolute.
func (s *State) Dir() string { return s.dir }

func (s *State) path(name string) string { return filepath.Join(s.dir, name) }

// readJSON reads the file called name into v; an absent one leaves v alone.
func (s *State) readJSON(name string, v any) error {
	data, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (s *State) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if bytes.Contains(data, []byte(`\ufffd`)) { // as json writes what it cannot
		return fmt.Errorf("write %s: only UTF-8 can be kept there", name)
	}
	return dictionary.Replace(s.path(name), append(data, '\n'))
}

// Configure replaces the settings. Guests that run keep theirs.
func (s *State) Configure(settings Settings) error { return s.writeJSON("settings", settings) }

func (s *State) settings() (Settings, error) {
	var settings Settings
	return settings, s.readJSON("settings", &settings)
}

func (settings Settings) pause() (time.Duration, error) {
	if settings.Pause == "" {
		return 2 * time.Millisecond, nil
	}
	return time.ParseDuration(settings.Pause)
}

// machines returns every machine that the state has met.
func (s *State) machines() ([]*vm, error) {
	entries, err := os.ReadDir(s.path("vms"))
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	var vms []*vm
	for _, entry := range entries {
		vms = append(vms, &vm{state: s, dir: s.path(filepath.Join("vms", entry.Name()))})
	}
	return vms, nil
}

// RunningVMs returns the .vmx paths of the running machines, as they were
// given at the start, the longest running first.
func (s *State) RunningVMs() ([]string, error) {
	vms, err := s.machines()
	if err != nil {
		return nil, err
	}
	var lives []life
	for _, v := range vms {
		if l, ok := v.life(); ok {
			lives = append(lives, l)
		}
	}
	slices.SortFunc(lives, func(a, b life) int { return a.Started.Compare(b.Started) })
	var paths []string
	for _, l := range lives {
		paths = append(paths, l.VMX)
	}
	return paths, nil
}

// Running tells whether the machine's guest runs (or is paused).
func (s *State) Running(vmx string) bool {
	v, err := s.vm(vmx)
	return err == nil && v.alive()
}

// GuestStatus returns what the machine's running guest does.
func (s *State) GuestStatus(vmx string) (guest.Status, error) {
	v, err := s.vm(vmx)
	if err != nil {
		return guest.Status{}, err
	}
	return v.guestStatus()
}
