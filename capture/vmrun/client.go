package vmrun

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"granary/capture/process"
)

// Client runs vmrun. The zero value is valid. It is not changed by its methods
// and safe for concurrent use; that two calls do not change one virtual machine
// at the same time is for the caller to see to.
//
// Methods take a virtual machine as a path on this machine or as vmrun names it
// on a server, "[datastore] dir/x.vmx"; see [Client.Name].
type Client struct {
	// Program is vmrun's path or name. Empty means vmrun on the PATH, else
	// where VMware's installers put it.
	Program string

	// HostType is vmrun's -T: ws, ws-shared, player, fusion, server (2.0),
	// server1 (1.0), esx or vc. Empty means fusion on macOS, ws elsewhere.
	HostType string

	// Host is a name, an IPv4 or IPv6 address, either with ":PORT" or without,
	// or the URL of the service; Port counts where Host names none. User and
	// Password are the login. ws, player and fusion are never given them.
	Host     string
	Port     int
	User     string
	Password string

	// VMPassword opens an encrypted virtual machine. Even commands that only
	// look need it.
	VMPassword string

	// GuestUser and GuestPassword are the login to the guest's operating
	// system, for [Client.RunInGuest].
	GuestUser     string
	GuestPassword string

	// Datastores maps names of datastores, without brackets, to the absolute
	// folders where this machine has them mounted.
	Datastores map[string]string

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
	Guest          time.Duration // runProgramInGuest, until the program ends: 5 minutes
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
	fill(&t.Guest, 5*time.Minute)
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
	host := c.Host
	if strings.Contains(host, "@") {
		host = process.Redacted // a URL with a login
	}
	fmt.Fprintf(f, "vmrun.Client{Program:%q HostType:%q Host:%q Port:%d User:%q GuestUser:%q Datastores:%q}",
		c.Program, c.hostType(), host, c.Port, c.User, c.GuestUser, c.Datastores)
}

// LogValue is what slog shows of c: no passwords.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
