package vmrun

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"granary/capture/process"
)

// Commands of vmrun.
const (
	verbList           = "list"
	verbStart          = "start"
	verbStop           = "stop"
	verbSuspend        = "suspend"
	verbSnapshot       = "snapshot"
	verbListSnapshots  = "listSnapshots"
	verbDeleteSnapshot = "deleteSnapshot"
	verbToolsState     = "checkToolsState"
	verbRunInGuest     = "runProgramInGuest"

	// verbVersion names a call without a command: vmrun then prints its usage,
	// headed by its version.
	verbVersion = "version"
)

// hostKind is what a host type asks of the command line.
type hostKind struct {
	login      bool   // takes -h, -u and -p
	url        bool   // its -h is a URL, and its machines lie in datastores
	onlyStores bool   // it knows its machines by datastore and in no other way
	host       string // where it is if nobody says
	port       int    // named where nobody names one; 0: left out
}

// httpsPort needs no mention in a URL.
const httpsPort = 443

var hostKinds = map[string]hostKind{
	"ws":        {},
	"player":    {},
	"fusion":    {},
	"ws-shared": {login: true, url: true, host: "localhost", port: httpsPort},
	"server":    {login: true, url: true, host: "localhost", port: 8333},
	"server1":   {login: true},
	"esx":       {login: true, url: true, onlyStores: true},
	"vc":        {login: true, url: true, onlyStores: true},
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

// arguments returns vmrun's arguments for one command. Flags have to stand
// before the command and the .vmx right behind it: vmrun takes a misplaced flag
// for a parameter and then prompts for a guest login.
func (c *Client) arguments(verb, vmx string, rest ...string) ([]string, error) {
	args := []string{"-T", c.hostType()}
	kind, known := hostKinds[c.hostType()]
	if !known {
		types := slices.Sorted(maps.Keys(hostKinds))
		return nil, fmt.Errorf("host type %q is none of %s", c.hostType(), strings.Join(types, ", "))
	}
	if kind.login {
		address, err := c.address(kind)
		if err != nil {
			return nil, err
		}
		args = append(args, address...)
		if c.User != "" {
			args = append(args, "-u", c.User)
		}
		if c.Password != "" {
			args = append(args, "-p", c.Password)
		}
	}
	// A command without a .vmx opens no virtual machine: its password would
	// be shown to the process list for nothing.
	if c.VMPassword != "" && vmx != "" {
		args = append(args, "-vp", c.VMPassword)
	}
	if verb == verbRunInGuest {
		args = append(args, "-gu", c.GuestUser, "-gp", c.GuestPassword)
	}
	args = append(args, verb)
	if vmx != "" {
		args = append(args, vmx)
	}
	return append(args, rest...), nil
}

// address returns the flags that say where the host is.
func (c *Client) address(kind hostKind) ([]string, error) {
	host, port := cmp.Or(c.Host, kind.host), c.Port
	if host == "" {
		if kind.url {
			return nil, errors.New("the address of the host is missing")
		}
		return nil, nil
	}
	if !strings.Contains(host, "://") {
		port = cmp.Or(port, kind.port)
	}
	at, err := serviceURL(host)
	if err != nil {
		return nil, err
	}
	if named := at.Port(); named != "" {
		port, _ = strconv.Atoi(named) // the URL's parser saw to the digits
	}
	switch {
	case !kind.url && port == 0:
		return []string{"-h", at.Hostname()}, nil
	case !kind.url:
		return []string{"-h", at.Hostname(), "-P", strconv.Itoa(port)}, nil
	case at.Port() == "" && port != 0 && (port != httpsPort || kind.port != 0):
		at.Host = net.JoinHostPort(at.Hostname(), strconv.Itoa(port))
	}
	return []string{"-h", at.String()}, nil
}

// serviceURL is host as a URL: a name or an address gets what VMware's services
// have around it, a URL stays as it is.
func serviceURL(host string) (*url.URL, error) {
	if strings.Contains(host, "@") {
		return nil, errors.New("the address of the host holds a login: give user and password by themselves")
	}
	bad := fmt.Errorf("the address of the host is %q: want a name, an address or a URL", host)
	if strings.Contains(host, "://") {
		at, err := url.Parse(host)
		if err != nil || at.Hostname() == "" {
			return nil, bad
		}
		return at, nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	at, err := url.Parse("https://" + host)
	if err != nil || at.Hostname() == "" || strings.ContainsAny(host, "/?#") {
		return nil, bad
	}
	at.Path = "/sdk"
	return at, nil
}

// shownArguments returns what arguments does, for the log: without the
// passwords.
func (c *Client) shownArguments(verb, vmx string, rest ...string) ([]string, error) {
	shown := *c
	for _, secret := range []*string{&shown.Password, &shown.VMPassword, &shown.GuestPassword} {
		if *secret != "" {
			*secret = process.Redacted
		}
	}
	return shown.arguments(verb, vmx, rest...)
}

// secrets are the passwords that c holds, the longest first: where one is part
// of another, the rest of the longer would be left to read.
func (c *Client) secrets() []string {
	secrets := []string{c.Password, c.VMPassword, c.GuestPassword}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return secrets
}
