//go:build linux

package standin

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// VCBSettings are those of vcbMounter and its companions, in the state's file
// vcb.settings.
type VCBSettings struct {
	// Folders hold the machines: every .vmx below them is one.
	Folders []string `json:"folders,omitempty"`
	// Hosts are the hosts that answer, by the name that -h has, in lower case
	// and without the port; no -h is localhost. Without any, every host answers, to every
	// login and to none.
	Hosts map[string]VCBHost `json:"hosts,omitempty"`
	// Delay passes between the snapshot and the first disk of an export, as in
	// "2s": time to see what the machine does meanwhile.
	Delay string `json:"delay,omitempty"`
}

// VCBHost is an ESX host or a vCenter.
type VCBHost struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// Configured says that backuptools.conf has this login, so -u and -p may be
	// missing. Otherwise that makes the programs ask for a password.
	Configured bool `json:"configured,omitempty"`
	// Folders hold this host's machines; unset, they are those of the settings.
	Folders []string `json:"folders,omitempty"`
}

// ConfigureVCB replaces the settings.
func (s *State) ConfigureVCB(settings VCBSettings) error {
	return s.writeJSON("vcb.settings", settings)
}

// Fill is one more thing that a fault of an export can do: the disk with the
// export directory is full while the first disk is written. The snapshot is
// deleted.
const Fill = "fill"

// What an export can lack that reports success.
const (
	LoseCatalog = "catalog"
	LoseDisk    = "disk"   // all files of the last disk
	LoseExtent  = "extent" // the last file of the last disk
	LoseTail    = "tail"   // the latter half of that
)

// VCBFault is a way in which calls of these programs misbehave. Of Fault, Verb
// is export, unmount, names (vcbVmName), find or delete (both vcbSnapshot), and
// VMX a part of what -a, -s, -f or -d say, or of the directory of -U. Midway is
// when the snapshot exists and the first disk is written, to exports only: a
// fail there deletes the snapshot, a die or kill leaves it.
//
// The file vcb.faults has them as {"faults": [{"verb": "export", "do": "die",
// "at": "midway"}]}.
type VCBFault struct {
	Fault
	KeepSnapshot bool   `json:"keepSnapshot,omitempty"` // an export leaves its snapshot, failed or not
	Lose         string `json:"lose,omitempty"`         // what an export lacks, unnoticed
}

// vcbFaults is the file vcb.faults.
type vcbFaults struct {
	Faults []VCBFault `json:"faults"`
	Calls  []int      `json:"calls,omitempty"` // how many calls fitted each
}

// SetVCBFaults replaces the list of faults and begins to count anew.
func (s *State) SetVCBFaults(faults ...VCBFault) error {
	return s.writeJSON("vcb.faults", vcbFaults{Faults: faults})
}

// nextVCBFault counts the call and returns the fault for it, the zero one for
// none.
func (s *State) nextVCBFault(line commandLine) (VCBFault, error) {
	lock, err := os.OpenFile(s.path("vcb.faults.lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return VCBFault{}, fmt.Errorf("count faults: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return VCBFault{}, fmt.Errorf("count faults: %w", err)
	}
	var list vcbFaults
	if err := s.readJSON("vcb.faults", &list); err != nil || len(list.Faults) == 0 {
		return VCBFault{}, err
	}
	if len(list.Calls) != len(list.Faults) {
		list.Calls = make([]int, len(list.Faults))
	}
	var chosen *VCBFault
	for i := range list.Faults {
		f := &list.Faults[i]
		if !f.fits(line) {
			continue
		}
		list.Calls[i]++
		if chosen == nil && (f.Call == 0 || f.Call == list.Calls[i]) {
			chosen = f
		}
	}
	err = s.writeJSON("vcb.faults", list)
	if chosen == nil {
		return VCBFault{}, err
	}
	return *chosen, err
}

// login checks the host and the login of the call.
func (c *vcbCall) login() error {
	if c.line.verb == "" || len(c.settings.Hosts) == 0 {
		return nil
	}
	name := c.line.host
	if name == "" {
		name = "localhost"
	}
	host, known := c.settings.Hosts[name]
	if !known {
		return vcbRefuse("Could not connect to host %s: No route to host", name)
	}
	if len(host.Folders) > 0 {
		c.settings.Folders = host.Folders
	}
	switch {
	case !c.line.hasLogin && host.Configured:
		return nil
	case !c.line.hasLogin:
		return c.prompt("Password: ", "Login failed due to a bad username or password.")
	case c.line.user != host.User || c.line.password != host.Password:
		return failure{"Error: Login failed due to a bad username or password.\n", exitFailure}
	}
	return nil
}
