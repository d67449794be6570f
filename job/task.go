package job

import (
	"path"
	"path/filepath"
	"strings"
	"time"

	"granary/capture"
	"granary/capture/host"
)

// Task is one VM, team or export to capture.
type Task struct {
	// VM is a .vmx, a folder with one, a team (.vmtm, .vmtn), each by its path
	// or as "[datastore] web/web.vmx"; for driver vcb name:N, ipaddr:A, uuid:U
	// or moref:M.
	VM string
	// VMX is, for driver vcb, the VM's configuration as vmrun knows it, if the
	// VM has to be stopped.
	VMX      string
	HostName string    // the host's key in the job file, empty for this machine
	Host     host.Host // with the login to this VM's guest
	Name     string    // overrides the VM's own if not empty
	Quiesce  capture.Method

	HardStop, FullScan, DeleteVCBSnapshot bool

	Settle time.Duration // 0 is the capture's default
	// Freeze and Thaw are programs in the guest, each with its arguments, that
	// run around a hot snapshot.
	Freeze, Thaw []string
	Deadline     time.Duration // of the whole capture, 0 for none
	// Before and After run on this machine around the capture; nil is none.
	Before, After *Script
}

// label names the VM while the name that the repository gives it is not known.
func (t Task) label() string {
	if t.Name != "" {
		return t.Name
	}
	if kind, name, ok := strings.Cut(t.VM, ":"); ok && t.Host.Driver == host.VCB && kind == "name" {
		return name
	}
	if t.Host.Driver == host.VCB {
		return t.VM
	}
	_, rest, ok := host.SplitDatastore(t.VM)
	if ok {
		rest = path.Base(rest)
	} else {
		rest = filepath.Base(t.VM)
	}
	if ext := path.Ext(rest); strings.EqualFold(ext, ".vmx") || capture.IsTeam(rest) {
		rest = strings.TrimSuffix(rest, ext)
	}
	return rest
}
