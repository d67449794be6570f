package vmrun

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Name returns vmx as vmrun is given it. A name "[datastore] dir/x.vmx" stays as
// it is. A path on this machine becomes
//
//   - absolute for ws, player and fusion, because vmrun runs in another folder;
//   - "[datastore] dir/x.vmx" for ws-shared, server, esx and vc, where it lies in
//     one of c.Datastores, and in the innermost of several. Links are followed
//     on both sides, so it counts where the file really lies. In none of them it
//     is ErrNoDatastore for esx and vc, and stays as it is for the others;
//   - nothing else for server1.
func (c *Client) Name(vmx string) (string, error) { return c.name("", vmx) }

// name is Name; verb is the command of the error.
func (c *Client) name(verb, vmx string) (string, error) {
	bad := func(kind error, why string) error {
		return &Error{Verb: verb, VMX: vmx, Status: -1, Message: why, kind: kind}
	}
	kind := hostKinds[c.hostType()]
	switch {
	case vmx == "":
		return "", bad(nil, "no .vmx was given")
	case strings.Contains(vmx, "\x00"):
		return "", bad(nil, "the path holds a NUL byte, which no argument can carry")
	case strings.HasPrefix(vmx, "["):
		return vmx, nil
	case !kind.login && filepath.IsAbs(vmx):
		return vmx, nil // not even cleaned
	case !kind.login:
		abs, err := filepath.Abs(vmx)
		if err != nil {
			return "", bad(nil, "the path cannot be made absolute: "+err.Error())
		}
		return abs, nil
	}
	if kind.url {
		if name, ok := c.inDatastore(vmx); ok {
			return name, nil
		}
	}
	if kind.onlyStores {
		return "", bad(ErrNoDatastore, "it lies in no known datastore (known are: "+c.knownDatastores()+")")
	}
	if strings.HasPrefix(vmx, "-") {
		return "", bad(nil, "the path would be read as a flag")
	}
	return vmx, nil
}

// inDatastore returns the name that a path of this machine has in a datastore.
func (c *Client) inDatastore(file string) (string, bool) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", false
	}
	for _, spell := range []func(string) string{followed, filepath.Clean} {
		datastore, inside := "", ""
		for _, name := range slices.Sorted(maps.Keys(c.Datastores)) {
			rel, err := filepath.Rel(spell(c.Datastores[name]), spell(abs))
			if err != nil || rel == "." || !filepath.IsLocal(rel) {
				continue
			}
			if inside == "" || len(rel) < len(inside) {
				datastore, inside = name, rel
			}
		}
		if inside != "" {
			return "[" + datastore + "] " + filepath.ToSlash(inside), true
		}
	}
	return "", false
}

// followed is a path without symbolic links. Of a file that is not there those
// of its folder are followed.
func followed(file string) string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		return filepath.Join(dir, filepath.Base(file))
	}
	return filepath.Clean(file)
}

func (c *Client) knownDatastores() string {
	var known []string
	for _, name := range slices.Sorted(maps.Keys(c.Datastores)) {
		known = append(known, fmt.Sprintf("%s at %s", name, c.Datastores[name]))
	}
	if known == nil {
		return "none"
	}
	return strings.Join(known, ", ")
}

// local is the other way round: the path on this machine of a machine that vmrun
// names by its datastore. What lies in none that is known stays as it is.
func (c *Client) local(name string) string {
	datastore, inside, ok := "", "", false
	if rest, found := strings.CutPrefix(name, "["); found {
		datastore, inside, ok = strings.Cut(rest, "]")
		inside = strings.TrimPrefix(inside, " ")
	} else if rest, found := strings.CutPrefix(name, "/vmfs/volumes/"); found {
		// The datastores' folders on ESX itself.
		datastore, inside, ok = strings.Cut(rest, "/")
	}
	if folder, known := c.folder(datastore); ok && known {
		return filepath.Join(folder, filepath.FromSlash(path.Clean("/"+inside)))
	}
	return name
}

// folder returns where a datastore is mounted. VMware also prints a name behind
// its datacenter's, "ha-datacenter/standard", and in another case.
func (c *Client) folder(datastore string) (string, bool) {
	if folder, known := c.Datastores[datastore]; known {
		return folder, true
	}
	last := datastore[strings.LastIndex(datastore, "/")+1:]
	for _, name := range slices.Sorted(maps.Keys(c.Datastores)) {
		if strings.EqualFold(name, last) {
			return c.Datastores[name], true
		}
	}
	return "", false
}

// same reports whether two names, each a path or of a datastore, are of one
// virtual machine.
func (c *Client) same(a, b string) bool { return samePath(c.local(a), c.local(b)) }

// exists reports whether name is a file that this machine can see.
func (c *Client) exists(name string) bool {
	info, err := os.Stat(c.local(name))
	return err == nil && !info.IsDir()
}

// samePath reports whether two paths name one virtual machine. VMware changes
// case, slashes and links in the paths it prints, so what the file system says
// comes first; only where it knows nothing are the names compared.
func samePath(a, b string) bool {
	ai, aErr := os.Stat(a)
	bi, bErr := os.Stat(b)
	if aErr == nil && bErr == nil {
		return os.SameFile(ai, bi)
	}
	a, b = cleanPath(a), cleanPath(b)
	// All bytes that are not UTF-8 would fold into one.
	return a == b || utf8.ValidString(a) && utf8.ValidString(b) && strings.EqualFold(a, b)
}

// cleanPath makes one spelling of a path that may be another system's.
func cleanPath(path string) string {
	path = strings.TrimRight(path, " \t\r\n")
	return filepath.ToSlash(filepath.Clean(strings.ReplaceAll(path, `\`, "/")))
}
