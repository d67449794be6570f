//go:build linux

package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What a fault does.
const (
	Hang   = "hang"   // go on for ever
	Fail   = "fail"   // print Text and leave with Exit
	Die    = "die"    // by SIGKILL
	Prompt = "prompt" // ask for a password on the terminal
)

// When a fault does it; the package comment says what midway is for each verb.
const (
	Before = "before"
	Midway = "midway"
	After  = "after"
)

// Fault is a way in which calls misbehave. The package comment shows the file.
type Fault struct {
	// Which calls: Verb and a part of the .vmx path, "" or "*" for any; Call
	// is the number of the call among those that fit, 0 for all.
	Verb string `json:"verb,omitempty"`
	VMX  string `json:"vmx,omitempty"`
	Call int    `json:"call,omitempty"`

	Do   string `json:"do,omitempty"`
	At   string `json:"at,omitempty"`   // Before unless set
	Text string `json:"text,omitempty"` // of Fail, printed as it is; {vmx} is the path
	Exit *int   `json:"exit,omitempty"` // of Fail, 255 unless set

	IgnoreTerm  bool   `json:"ignoreTerm,omitempty"`  // SIGTERM, SIGINT and SIGHUP do nothing
	DelayBefore string `json:"delayBefore,omitempty"` // as in "2s"
	DelayAfter  string `json:"delayAfter,omitempty"`
	BusyFails   bool   `json:"busyFails,omitempty"` // do not wait for another call: "The file is already in use"
	KeepDelta   bool   `json:"keepDelta,omitempty"` // deleteSnapshot leaves the .vmx on a new redo disk

	Noise    string `json:"noise,omitempty"`    // a line printed before all else
	CRLF     bool   `json:"crlf,omitempty"`     // line ends
	Latin1   bool   `json:"latin1,omitempty"`   // the output in that code page, not UTF-8
	Case     string `json:"case,omitempty"`     // of the paths that list prints: upper or lower
	Trailing bool   `json:"trailing,omitempty"` // a blank after each line of list
	NoPath   bool   `json:"noPath,omitempty"`   // "not powered on" without the path, as older versions say it
}

// SetFaults replaces the list of faults and begins to count anew.
func (s *State) SetFaults(faults ...Fault) error {
	if err := os.Remove(s.path("faults.calls")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set faults: %w", err)
	}
	return s.writeJSON("faults", faults)
}

// faultCalls counts, for each fault of the list with this checksum, the calls
// that fitted.
type faultCalls struct {
	Sum   string `json:"sum"`
	Calls []int  `json:"calls"`
}

// nextFault counts the call and returns the fault for it, the zero one for none.
func (s *State) nextFault(verb, vmx string) (Fault, error) {
	data, err := os.ReadFile(s.path("faults"))
	if errors.Is(err, fs.ErrNotExist) {
		return Fault{}, nil
	}
	if err != nil {
		return Fault{}, fmt.Errorf("read faults: %w", err)
	}
	var faults []Fault
	if err := json.Unmarshal(data, &faults); err != nil {
		return Fault{}, fmt.Errorf("read faults: %w", err)
	}
	lock, err := os.OpenFile(s.path("faults.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return Fault{}, fmt.Errorf("count faults: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Fault{}, fmt.Errorf("count faults: %w", err)
	}
	sum := sha256.Sum256(data)
	var counted faultCalls
	if err := s.readJSON("faults.calls", &counted); err != nil {
		return Fault{}, fmt.Errorf("count faults: %w", err)
	}
	// A list written by hand while an older one was counted starts at zero.
	if name := hex.EncodeToString(sum[:]); counted.Sum != name || len(counted.Calls) != len(faults) {
		counted = faultCalls{Sum: name, Calls: make([]int, len(faults))}
	}
	chosen := choose(faults, counted.Calls, verb, vmx)
	return chosen, s.writeJSON("faults.calls", counted)
}

// choose counts the call for every fault that fits and returns the first whose
// turn it is.
func choose(faults []Fault, calls []int, verb, vmx string) Fault {
	var chosen *Fault
	for i := range faults {
		f := &faults[i]
		if f.Verb != "" && f.Verb != "*" && !strings.EqualFold(f.Verb, verb) {
			continue
		}
		if f.VMX != "" && f.VMX != "*" && !strings.Contains(vmx, f.VMX) {
			continue
		}
		calls[i]++
		if chosen == nil && (f.Call == 0 || f.Call == calls[i]) {
			chosen = f
		}
	}
	if chosen == nil {
		return Fault{}
	}
	return *chosen
}

// delay sleeps as long as text says; "" is no time.
func delay(text string) error {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("read faults: %w", err)
	}
	time.Sleep(d)
	return nil
}
