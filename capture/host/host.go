package host

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// The drivers.
const (
	VMRun = "vmrun" // a VMware product that vmrun drives
	VCB   = "vcb"   // vcbMounter exports the disks; vmrun stops and starts
	Files = "files" // a VM that does not run; no program of VMware's
)

// Drivers are all of them.
var Drivers = []string{VMRun, VCB, Files}

// Types are vmrun's host types (-T): Workstation, its shared VMs, Player,
// Fusion, Server 2.0, Server 1.0, ESX and vCenter.
var Types = []string{"ws", "ws-shared", "player", "fusion", "server", "server1", "esx", "vc"}

// Host is where VMs run. The zero value is VMware Workstation, or Fusion on
// macOS, on this machine.
type Host struct {
	Driver  string `yaml:"driver"`  // VMRun if empty
	Type    string `yaml:"type"`    // one of Types; the local product's if empty
	Program string `yaml:"vmrun"`   // vmrun's path, looked for if empty
	Address string `yaml:"address"` // of a remote host, as vmrun's -h takes it; empty for this machine
	Port    int    `yaml:"port"`
	User    string `yaml:"user"`

	Password   Secret `yaml:",inline"`
	VMPassword Secret `yaml:"vm"` // opens encrypted VMs
	Guest      Login  `yaml:"-"`  // to the guest of one VM

	// Datastores maps the names of datastores to the folders where this
	// machine has them mounted.
	Datastores map[string]string `yaml:"datastores"`
	Deadlines  Deadlines         `yaml:"deadlines"`

	Mounter    string `yaml:"vcbmounter"` // vcbMounter's path, looked for if empty
	Mode       string `yaml:"mode"`       // vcbMounter's -m, passed through
	ExportDir  string `yaml:"export-dir"` // where exports are made and removed
	Monolithic bool   `yaml:"monolithic"` // vcbMounter's -M 1 -F 1: whole, flat disks
}

// Login is a user and where the password is.
type Login struct {
	User   string `yaml:"user"`
	Secret `yaml:",inline"`
}

// Check refuses what cannot work, before any VM is touched.
func (h Host) Check() error {
	if h.Driver != "" && !slices.Contains(Drivers, h.Driver) {
		return fmt.Errorf("driver %q: want %s", h.Driver, strings.Join(Drivers, ", "))
	}
	if h.Driver == VCB {
		if h.Address == "" {
			return fmt.Errorf("driver vcb: the address of the ESX or vCenter host is missing")
		}
		if h.ExportDir == "" {
			return fmt.Errorf("driver vcb: the folder for exports is missing")
		}
		if !filepath.IsAbs(h.ExportDir) {
			return fmt.Errorf("the folder for exports %q: want an absolute path", h.ExportDir)
		}
	}
	if h.Type != "" && !slices.Contains(Types, h.Type) {
		return fmt.Errorf("host type %q: want %s", h.Type, strings.Join(Types, ", "))
	}
	if (h.Type == "esx" || h.Type == "vc") && h.Address == "" {
		return fmt.Errorf("host type %s: the address of the host is missing", h.Type)
	}
	// It is no place for a login: it is printed, and stands in manifests. So the
	// error does not repeat it.
	if strings.ContainsFunc(h.Address, neverInAddress) {
		return fmt.Errorf("the address of the host holds an @, a blank or a control character: want it without a login, which is given apart")
	}
	if h.Port < 0 || h.Port > 65535 {
		return fmt.Errorf("port %d: want 1 to 65535", h.Port)
	}
	for name, dir := range h.Datastores {
		if name == "" || strings.ContainsAny(name, "[]\x00") || strings.ContainsRune(dir, 0) || !filepath.IsAbs(dir) {
			return fmt.Errorf("datastore %q at %q: want a name without brackets or NUL and an absolute folder", name, dir)
		}
	}
	return nil
}

func neverInAddress(r rune) bool { return r == '@' || unicode.IsSpace(r) || unicode.IsControl(r) }

// Local is the path on this machine of a VM that may be named by datastore, as
// "[ds1] web/web.vmx".
func (h Host) Local(vm string) (string, error) {
	name, rest, ok := SplitDatastore(vm)
	if !ok {
		return vm, nil
	}
	dir, known := h.Datastores[name]
	if !known {
		return "", &datastoreError{name, slices.Sorted(maps.Keys(h.Datastores))}
	}
	if rest = path.Clean("/" + rest)[1:]; rest == "" {
		return "", fmt.Errorf("%s names a datastore, not a VM", vm)
	}
	return filepath.Join(dir, filepath.FromSlash(rest)), nil
}

// datastoreError is a datastore that no folder is known of.
type datastoreError struct {
	name  string
	known []string
}

func (e *datastoreError) Error() string {
	text := fmt.Sprintf("where datastore %q is mounted is not known", e.name)
	if len(e.known) > 0 {
		text += " (known are: " + strings.Join(e.known, ", ") + ")"
	}
	return text
}

// Hint names the flag and the key of a job file.
func (e *datastoreError) Hint() string {
	return "mount it on this machine and say where: --datastore NAME=FOLDER, or datastores in a job file"
}

// SplitDatastore takes "[ds1] web/web.vmx" apart.
func SplitDatastore(vm string) (name, rest string, ok bool) {
	if !strings.HasPrefix(vm, "[") {
		return "", "", false
	}
	name, rest, ok = strings.Cut(vm[1:], "]")
	return name, strings.TrimPrefix(rest, " "), ok && name != ""
}

// DriverName is the driver's, also where it is left out.
func (h Host) DriverName() string {
	if h.Driver == "" {
		return VMRun
	}
	return h.Driver
}

// String names the host for people.
func (h Host) String() string {
	if h.Address == "" {
		return "this machine"
	}
	return h.Address
}
