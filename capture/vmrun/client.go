package vmrun

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"granary/capture/process"
)

// Client runs vmrun. The zero value is valid. It is not changed by its methods
// and safe for concurrent use; that two calls do not change one virtual machine
// at the same time is for the caller to see to.
type Client struct {
	// Program is vmrun's path or name. Empty means vmrun on the PATH, else
	// where VMware's installers put it.
	Program string

	// HostType is vmrun's -T: ws, ws-shared, player, fusion, server (2.0),
	// server1 (1.0), esx or vc. Empty means fusion on macOS, ws elsewhere.
	HostType string

	// Host, Port, User and Password are the login to a remote host; ws,
	// player and fusion need none. Zero values are left out.
	Host     string
	Port     int
	User     string
	Password string

	// VMPassword opens an encrypted virtual machine. Even commands that only
	// look need it.
	VMPassword string

	// Timeouts bounds each call.
	Timeouts Timeouts

	// Log receives each call at debug level and each repetition at warning
	// level. Nil means none.
	Log *slog.Logger

	// pace is how fast things are repeated; tests shorten it.
	pace pace
}

// Timeouts bounds the calls, each with all its repetitions. Zero or negative
// means the default.
type Timeouts struct {
	Start          time.Duration // start: 5 minutes
	StopSoft       time.Duration // stop soft, which waits for the guest: 3 minutes
	StopHard       time.Duration // stop hard: 1 minute
	Suspend        time.Duration // suspend, which writes the guest's memory: 10 minutes
	Snapshot       time.Duration // snapshot, which may write it too: 10 minutes
	DeleteSnapshot time.Duration // deleteSnapshot, which merges disks: 6 hours
	Query          time.Duration // list, listSnapshots, checkToolsState, version: 1 minute
}

// withDefaults returns t with the defaults filled in.
func (t Timeouts) withDefaults() Timeouts {
	fill := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	fill(&t.Start, 5*time.Minute)
	fill(&t.StopSoft, 3*time.Minute)
	fill(&t.StopHard, time.Minute)
	fill(&t.Suspend, 10*time.Minute)
	fill(&t.Snapshot, 10*time.Minute)
	fill(&t.DeleteSnapshot, 6*time.Hour)
	fill(&t.Query, time.Minute)
	return t
}

// Mode is how hard a virtual machine is stopped or suspended.
type Mode int

const (
	// Soft asks the guest by way of the VMware Tools, and fails or waits
	// where they do not answer.
	Soft Mode = iota
	// Hard does not ask the guest: a stop is a power cut.
	Hard
)

// String returns vmrun's word for m.
func (m Mode) String() string {
	if m == Hard {
		return "hard"
	}
	return "soft"
}

// Format prints c without its passwords, whatever the verb: a Client is part of
// what gets printed when a plan or a configuration is debugged.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vmrun.Client{Program:%q HostType:%q Host:%q Port:%d User:%q}",
		c.Program, c.hostType(), c.Host, c.Port, c.User)
}

// LogValue is what slog shows of c: no passwords.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

func (c *Client) hostType() string {
	switch {
	case c.HostType != "":
		return c.HostType
	case runtime.GOOS == "darwin":
		return "fusion"
	}
	return "ws"
}

// local reports whether c's virtual machines are files of this machine.
func (c *Client) local() bool {
	switch c.hostType() {
	case "ws", "fusion", "player":
		return true
	}
	return false
}

// args returns vmrun's arguments for one command. Flags have to stand before
// the command and the .vmx right behind it: vmrun takes a misplaced flag for a
// parameter and then prompts for a guest login.
func (c *Client) args(verb, vmx string, rest ...string) []string {
	a := []string{"-T", c.hostType()}
	if c.Host != "" {
		a = append(a, "-h", c.Host)
	}
	if c.Port != 0 {
		a = append(a, "-P", strconv.Itoa(c.Port))
	}
	if c.User != "" {
		a = append(a, "-u", c.User)
	}
	if c.Password != "" {
		a = append(a, "-p", c.Password)
	}
	// A command without a .vmx opens no virtual machine: its password would
	// be shown to the process list for nothing.
	if c.VMPassword != "" && vmx != "" {
		a = append(a, "-vp", c.VMPassword)
	}
	a = append(a, verb)
	if vmx != "" {
		a = append(a, vmx)
	}
	return append(a, rest...)
}

// shownArgs returns what args does, for the log: without the passwords.
func (c *Client) shownArgs(verb, vmx string, rest ...string) []string {
	shown := *c
	if shown.Password != "" {
		shown.Password = process.Redacted
	}
	if shown.VMPassword != "" {
		shown.VMPassword = process.Redacted
	}
	return shown.args(verb, vmx, rest...)
}

// secrets are the passwords that c holds.
func (c *Client) secrets() []string { return []string{c.Password, c.VMPassword} }

// vmPath returns vmx as vmrun gets it, or an error where vmrun would misread
// it. Local paths become absolute: vmrun runs in another directory, and an
// orphan is later recognised by this argument. "[datastore] dir/x.vmx" and the
// paths of remote hosts stay as they are.
func (c *Client) vmPath(verb, vmx string) (string, error) {
	bad := func(why string) error {
		return &Error{Verb: verb, VMX: vmx, Status: -1, Message: why}
	}
	switch {
	case vmx == "":
		return "", bad("no .vmx was given")
	case strings.ContainsAny(vmx, "\x00\r\n"):
		return "", bad("the path holds a line break, which vmrun's output cannot carry")
	case !c.local() || strings.HasPrefix(vmx, "["):
		if strings.HasPrefix(vmx, "-") {
			return "", bad("the path would be read as a flag")
		}
		return vmx, nil
	case filepath.IsAbs(vmx):
		return vmx, nil
	}
	abs, err := filepath.Abs(vmx)
	if err != nil {
		return "", bad("the path cannot be made absolute: " + err.Error())
	}
	return abs, nil
}
