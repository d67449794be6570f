package vmrun

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// List returns the running virtual machines as vmrun names them: absolute paths,
// or "[datastore] dir/x.vmx" on a server. Suspended ones are not among them,
// and on Windows only those of the user who asks are.
func (c *Client) List(ctx context.Context) ([]string, error) {
	return c.list(ctx, c.exists)
}

// Running reports whether vmrun lists the virtual machine vmx, by its path or by
// its name in a datastore. False is proof only for machines of the user who asks.
//
// A path that holds line breaks takes several lines of the list, and each may
// look like another machine's. What belongs together is told by the number of
// machines, by vmx itself and by the files that exist. Where even that leaves a
// doubt, vmx counts as running.
func (c *Client) Running(ctx context.Context, vmx string) (bool, error) {
	name, err := c.name(verbList, vmx)
	if err != nil {
		return false, err
	}
	isIt := func(listed string) bool { return c.same(listed, name) }
	running, err := c.list(ctx, func(listed string) bool { return isIt(listed) || c.exists(listed) })
	return slices.ContainsFunc(running, isIt), err
}

// list returns the running machines; known tells a machine's name from lines that
// only stand together.
func (c *Client) list(ctx context.Context, known func(string) bool) ([]string, error) {
	k, err := c.query(ctx, verbList, "")
	if err != nil {
		return nil, err
	}
	defer k.end()
	return k.names("total running vms", func(l listing) (names, rest []string) {
		if l.filled() == l.total {
			return machines(l.lines, known, 1)
		}
		names, rest = machines(l.lines, known, len(l.lines))
		if alone, _ := machines(l.lines, known, 1); len(names) < l.total && len(alone) >= l.total {
			// Some lines that make up one name were names by themselves.
			names = append(names, alone...)
		}
		return names, rest
	})
}

// machines groups lines to the names of machines. One may take up to most lines;
// the longest that is known wins. rest is what belongs to none.
func machines(lines []string, known func(string) bool, most int) (names, rest []string) {
	for len(lines) > 0 {
		name, n := longestKnown(lines[:min(most, len(lines))], known)
		if n == 0 {
			n = 1
			if name = bare(lines[0]); !isVMPath(name) {
				name, rest = "", append(rest, lines[0])
			}
		}
		if name != "" {
			names = append(names, name)
		}
		lines = lines[n:]
	}
	return names, rest
}

// maxPath bounds a path, in bytes.
const maxPath = 4096

// longestKnown returns the longest name that begins with the first of lines, and
// the number of its lines; 0 if there is none.
func longestKnown(lines []string, known func(string) bool) (longest string, n int) {
	if !filepath.IsAbs(lines[0]) && !strings.HasPrefix(lines[0], "[") {
		return "", 0
	}
	printed := ""
	for i, line := range lines {
		if printed += line; len(printed) > maxPath {
			break
		}
		name := strings.TrimRight(printed, " \t\r")
		for _, name := range []string{name, strings.ReplaceAll(name, "\r\n", "\n")} {
			if known(name) {
				longest, n = name, i+1
			}
		}
		printed += "\n"
	}
	return longest, n
}

// isVMPath tells a virtual machine from the noise that may stand between.
func isVMPath(line string) bool {
	switch strings.ToLower(filepath.Ext(line)) {
	case ".vmx", ".vmtm", ".vmtn", ".vmtx":
		return true
	}
	return filepath.IsAbs(line)
}
