package vcb

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"granary/capture/process"
)

// Client runs vcbMounter. The zero value is valid. It is not changed by its
// methods and safe for concurrent use; that one virtual machine is not exported
// twice at a time is for the caller to see to.
type Client struct {
	// Program is vcbMounter's path or name. Empty means vcbMounter on the PATH,
	// else where VMware put it. vcbVmName and vcbSnapshot lie beside it.
	Program string

	// Host and Port are the ESX host or vCenter, User and Password the login.
	// Zero values are left out: vcbMounter then takes what its configuration
	// file says. That is the better place for a password, see the package
	// comment.
	Host     string
	Port     int
	User     string
	Password string

	// Mode is how the disks are read, vcbMounter's -m: san, nbd, nbdssl,
	// hotadd, cos or whatever it knows; it is passed through. Empty leaves the
	// choice to vcbMounter.
	Mode string

	// Monolithic exports each disk as one flat file (-M 1 -F 1), not as sparse
	// files of 2 GB.
	Monolithic bool

	// LogLevel is vcbMounter's -L, 1 to 6; 0 leaves it out.
	LogLevel int

	// Timeouts bounds each call.
	Timeouts Timeouts

	// Log receives each call at debug level. Nil means none.
	Log *slog.Logger

	// pace is how fast things are given up; tests shorten it.
	pace pace
}

// Timeouts bounds the calls. Zero or negative means the default.
type Timeouts struct {
	Export         time.Duration // an export with all its disks: 24 hours
	Unmount        time.Duration // 30 minutes
	DeleteSnapshot time.Duration // deleting a leftover, which merges disks: 6 hours
	Query          time.Duration // what only looks: 1 minute
}

// withDefaults returns t with the defaults filled in.
func (t Timeouts) withDefaults() Timeouts {
	fill(&t.Export, 24*time.Hour)
	fill(&t.Unmount, 30*time.Minute)
	fill(&t.DeleteSnapshot, 6*time.Hour)
	fill(&t.Query, time.Minute)
	return t
}

func fill(d *time.Duration, def time.Duration) {
	if *d <= 0 {
		*d = def
	}
}

// Format prints c without its password, whatever the verb: a Client is part of
// what gets printed when a plan or a configuration is debugged.
func (c Client) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "vcb.Client{Program:%q Host:%q Port:%d User:%q Mode:%q Monolithic:%t}",
		c.Program, c.Host, c.Port, c.User, c.Mode, c.Monolithic)
}

// LogValue is what slog shows of c: no password.
func (c Client) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// args returns the arguments of one call: the login, then what the call is.
func (c *Client) args(rest ...string) []string {
	var a []string
	switch {
	case c.Host != "" && c.Port != 0:
		a = append(a, "-h", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	case c.Host != "":
		a = append(a, "-h", c.Host)
	}
	if c.User != "" {
		a = append(a, "-u", c.User)
	}
	if c.Password != "" {
		a = append(a, "-p", c.Password)
	}
	return append(a, rest...)
}

// shownArgs returns what args does, for the log: without the password.
func (c *Client) shownArgs(rest ...string) []string {
	shown := *c
	if shown.Password != "" {
		shown.Password = process.Redacted
	}
	return shown.args(rest...)
}
