//go:build linux

package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
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
	// Which calls: Verb, a part of the .vmx path and the name of the host, ""
	// or "*" for any; Call is the number of the call among those that fit, 0
	// for all.
	Verb string `json:"verb,omitempty"`
	VMX  string `json:"vmx,omitempty"`
	Host string `json:"host,omitempty"`
	Call int    `json:"call,omitempty"`

	Do   string `json:"do,omitempty"`
	At   string `json:"at,omitempty"`   // Before unless set
	Text string `json:"text,omitempty"` // of Fail, printed as it is; {vmx} is the path
	Exit *int   `json:"exit,omitempty"` // of Fail, 255 unless set

	IgnoreTerm  bool   `json:"ignoreTerm,omitempty"`  // SIGTERM, SIGINT and SIGHUP do nothing
	DelayBefore string `json:"delayBefore,omitempty"` // as in "2s", or "50ms..200ms" for some time between
	DelayAfter  string `json:"delayAfter,omitempty"`
	BusyFails   bool   `json:"busyFails,omitempty"` // do not wait for another call: "The file is already in use"
	KeepDelta   bool   `json:"keepDelta,omitempty"` // deleteSnapshot leaves the .vmx on a new redo disk

	Noise      string `json:"noise,omitempty"`      // a line printed before all else
	NoiseAfter string `json:"noiseAfter,omitempty"` // and one after all else
	CRLF       bool   `json:"crlf,omitempty"`       // line ends
	Locale     string `json:"locale,omitempty"`     // language of headings and messages: de
	Latin1     bool   `json:"latin1,omitempty"`     // the output in that code page, not UTF-8
	UTF16      bool   `json:"utf16,omitempty"`      // the output in UTF-16LE with a byte order mark
	Case       string `json:"case,omitempty"`       // of the paths that list prints: upper or lower
	Trailing   bool   `json:"trailing,omitempty"`   // a blank after each line of list
	NoPath     bool   `json:"noPath,omitempty"`     // "not powered on" without the path, as older versions say it
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
func (s *State) nextFault(line commandLine) (Fault, error) {
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
	chosen := choose(faults, counted.Calls, line)
	return chosen, s.writeJSON("faults.calls", counted)
}

// choose counts the call for every fault that fits and returns the first whose
// turn it is.
func choose(faults []Fault, calls []int, line commandLine) Fault {
	var chosen *Fault
	for i := range faults {
		f := &faults[i]
		if !f.fits(line) {
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

func (f *Fault) fits(line commandLine) bool {
	return (f.Verb == "" || f.Verb == "*" || strings.EqualFold(f.Verb, line.name())) &&
		(f.VMX == "" || f.VMX == "*" || strings.Contains(line.vmx, f.VMX)) &&
		(f.Host == "" || f.Host == "*" || strings.EqualFold(f.Host, line.host))
}

// delay sleeps as long as text says, for a range some time within; "" is no time.
func delay(text string) error {
	if text == "" {
		return nil
	}
	shortest, longest, isRange := strings.Cut(text, "..")
	least, err := time.ParseDuration(shortest)
	if err != nil {
		return fmt.Errorf("read delay: %w", err)
	}
	if isRange {
		most, err := time.ParseDuration(longest)
		if err != nil || most < least {
			return fmt.Errorf("read delay %q: want a range as 50ms..200ms", text)
		}
		least += rand.N(most - least + 1)
	}
	time.Sleep(least)
	return nil
}
