//go:build linux

package standin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Call is one call of vmrun, as calls.log has it.
type Call struct {
	PID   int
	Verb  string // "version" for the bare command
	VMX   string
	Type  string   // -T, or ""
	Host  string   // of -h: the name alone, or ""
	Args  []string // the whole command line, passwords blotted out
	Start time.Time
	End   time.Time // zero for a call that goes on or was killed
	Exit  int       // -1 for one without an end
	// Detail is the cause behind a failure, where vmrun's words hide it.
	Detail string
}

// callEvent is one line of calls.log.
type callEvent struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"` // start or end
	PID    int       `json:"pid"`
	Verb   string    `json:"verb"`
	VMX    octets    `json:"vmx,omitempty"`
	Type   string    `json:"type,omitempty"`
	Host   octets    `json:"host,omitempty"`
	Args   []octets  `json:"args,omitempty"`
	Exit   *int      `json:"exit,omitempty"`
	Detail string    `json:"detail,omitempty"` // the cause behind a failure
}

// begun returns the call whose start e is.
func (e callEvent) begun() Call {
	call := Call{PID: e.PID, Verb: e.Verb, VMX: string(e.VMX), Type: e.Type, Host: string(e.Host), Start: e.Time, Exit: -1}
	for _, arg := range e.Args {
		call.Args = append(call.Args, string(arg))
	}
	return call
}

// logCall adds one line; calls that run at once do not mix theirs.
func (s *State) logCall(e callEvent) error {
	e.Time, e.PID = time.Now(), os.Getpid()
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("log call: %w", err)
	}
	file, err := os.OpenFile(s.path("calls.log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("log call: %w", err)
	}
	_, err = file.Write(append(data, '\n'))
	return errors.Join(err, file.Close())
}

// Calls returns every call so far, in the order of their starts.
func (s *State) Calls() ([]Call, error) {
	data, err := os.ReadFile(s.path("calls.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read calls: %w", err)
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1] // a line may be half written
	var calls []Call
	open := map[int]int{} // process to its call
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var e callEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("read calls: %w", err)
		}
		if e.Event == "start" {
			open[e.PID] = len(calls)
			calls = append(calls, e.begun())
			continue
		}
		if i, ok := open[e.PID]; ok && e.Exit != nil {
			calls[i].End, calls[i].Exit, calls[i].Detail = e.Time, *e.Exit, e.Detail
		}
	}
	return calls, lines.Err()
}
