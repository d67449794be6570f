//go:build linux

package standin

import (
	"cmp"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// RemoteHost is a server that -h reaches: its login and the machines it has,
// which are those below its datastores.
type RemoteHost struct {
	Type       string            `json:"type,omitempty"` // the -T it answers to, any remote one unless set
	Port       int               `json:"port,omitempty"` // the port it answers at, any unless set
	User       string            `json:"user,omitempty"`
	Password   string            `json:"password,omitempty"`
	Datastores map[string]string `json:"datastores,omitempty"` // name to directory
}

// errUnreachable is the answer where there is no such host, or not so.
var errUnreachable = failure{"Unable to connect to host.\nError: The operation is not supported for the specified parameters\n", exitFailure}

// errLogin is the answer of a host to a wrong login.
var errLogin = failure{"Unable to connect to host.\nError: Invalid user name or password\n", exitFailure}

// defaultPort is where a host is met if the call does not say.
const defaultPort = 443

// hostAddress takes the value of -h apart: NAME, NAME:PORT or
// https://NAME[:PORT]/sdk. The port is 0 where none is said.
func hostAddress(value string) (name string, port int) {
	if _, rest, ok := strings.Cut(value, "://"); ok {
		value, _, _ = strings.Cut(rest, "/")
	}
	name = value
	if host, number, err := net.SplitHostPort(value); err == nil {
		name = host
		port, _ = strconv.Atoi(number) // a port by name is none that we know
	}
	return strings.ToLower(strings.Trim(name, "[]")), port
}

// connect logs in where the call is for another host. Without Hosts in the
// settings every host and every login is right.
func (c *call) connect() error {
	if !c.line.remote() || len(c.settings.Hosts) == 0 {
		return nil
	}
	for address, h := range c.settings.Hosts {
		if name, _ := hostAddress(address); name == c.line.host {
			c.remote = &h
			break
		}
	}
	switch h := c.remote; {
	case h == nil, h.Type != "" && h.Type != c.line.hostType, h.Port != 0 && h.Port != cmp.Or(c.line.port, defaultPort):
		return errUnreachable
	case c.line.password == "":
		return c.prompt("Password: ", "Invalid user name or password")
	case c.line.user != h.User || c.line.password != h.Password:
		return errLogin
	}
	return nil
}

// datastores are those of the host that the call is for.
func (c *call) datastores() map[string]string {
	if c.remote != nil {
		return c.remote.Datastores
	}
	return c.settings.Datastores
}

// hostPath returns the file that a path on the command line means: as it is, or
// "[datastore] dir/vm.vmx". A remote host has only what is below its datastores.
func (c *call) hostPath(path string) (string, error) {
	if !c.line.remote() {
		return path, nil
	}
	if c.line.byDatastore() && strings.HasPrefix(path, "[") {
		for name, dir := range c.datastores() {
			if rest, ok := strings.CutPrefix(path, "["+name+"] "); ok && filepath.IsLocal(rest) {
				return filepath.Join(dir, rest), nil
			}
		}
		return "", fs.ErrNotExist
	}
	if c.remote == nil {
		return path, nil
	}
	if _, stored := c.datastoreOf(path); !stored || c.line.byDatastore() {
		return "", fs.ErrNotExist
	}
	return path, nil
}

// remotePath is the inverse of hostPath; not ok for a machine that the host of
// the call does not have.
func (c *call) remotePath(path string) (string, bool) {
	if !c.line.remote() {
		return path, !c.elsewhere(path)
	}
	name, stored := c.datastoreOf(path)
	if !stored {
		return path, c.remote == nil
	}
	if !c.line.byDatastore() {
		return path, true
	}
	return "[" + name + "] " + path[len(filepath.Clean(c.datastores()[name]))+1:], true
}

// datastoreOf returns the datastore that a file is in, the innermost of several.
func (c *call) datastoreOf(path string) (name string, ok bool) {
	for candidate, dir := range c.datastores() {
		if below(dir, path) && (!ok || len(dir) > len(c.datastores()[name])) {
			name, ok = candidate, true
		}
	}
	return name, ok
}

// elsewhere tells whether a file is of a machine that a remote host runs.
func (c *call) elsewhere(path string) bool {
	for _, h := range c.settings.Hosts {
		for _, dir := range h.Datastores {
			if below(dir, path) {
				return true
			}
		}
	}
	return false
}

func below(dir, path string) bool {
	return strings.HasPrefix(filepath.Clean(path), filepath.Clean(dir)+string(filepath.Separator))
}

// listRegistered prints every machine of a remote host, running or not.
func (c *call) listRegistered() error {
	if !c.line.remote() {
		return refuse("The operation is not supported for the specified parameters")
	}
	var paths []string
	for _, dir := range c.datastores() {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && strings.EqualFold(filepath.Ext(path), ".vmx") {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	slices.Sort(paths)
	c.printPaths("Total registered VMs", slices.Compact(paths))
	return nil
}
