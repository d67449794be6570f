package job

import (
	"path/filepath"
	"slices"
	"strings"

	"granary/capture"
	"granary/capture/host"
	"granary/job/strict"
	"granary/repo/format"
)

// defaultMethod is how VMs of a host are quiesced if nothing else is said.
func defaultMethod(m capture.Method, h host.Host) capture.Method {
	switch {
	case m != "":
		return m
	case h.Driver == host.Files:
		return capture.None
	}
	return capture.StopSnapshot
}

// checkSettings refuses what a job, or one of its VMs, must not say.
func (l *loader) checkSettings(node strict.Node, s vmSettings) {
	if _, known := l.hosts[s.Host]; !known {
		if own := l.Lookup(node, "host"); own.Given() {
			l.Refuse(own, "there is no host %q under hosts", s.Host)
		}
	}
	if own := l.Lookup(node, "quiesce"); own.Given() && !slices.Contains(capture.Methods, s.Quiesce) {
		l.Refuse(own, "quiesce %q: want stop-snapshot, snapshot, stop, suspend or none", s.Quiesce)
	}
	guest := l.Lookup(node, "guest")
	if !guest.Given() {
		return // what the job says was checked there
	}
	l.checkSecret(guest, s.Guest.Secret)
	if len(s.Guest.Freeze)+len(s.Guest.Thaw) == 0 {
		return
	}
	if s.Quiesce != capture.Snapshot {
		l.Refuse(guest, "freeze and thaw are for quiesce: snapshot")
	}
	if s.Guest.User == "" {
		l.Refuse(guest, "freeze and thaw need the user of the guest, and a password")
	}
}

// vcbSelectors are how vcbMounter is told which VM.
var vcbSelectors = []string{"name:", "ipaddr:", "uuid:", "moref:"}

// checkTask refuses a VM that its host cannot capture.
func (l *loader) checkTask(node strict.Node, t *Task) {
	if t.Host.Driver == host.Files && t.Quiesce != capture.None {
		l.Refuse(node, "a host with driver files cannot %s a VM: want quiesce: none", t.Quiesce)
	}
	if t.Quiesce != capture.Snapshot {
		t.Freeze, t.Thaw = nil, nil // the job's, where the VM chose another method
	}
	if t.Name != "" {
		if err := format.CheckVMName(t.Name); err != nil {
			l.Refuse(l.own(node, "name"), "%v", err)
		}
		if isPattern(t.VM) {
			l.Refuse(l.own(node, "name"), "one name cannot be for all VMs that fit a pattern")
		}
	}
	if t.VM == "" {
		l.Refuse(node, "the VM is missing: want its path, or a mapping with the key vm")
		return
	}
	if t.Host.Driver == host.VCB {
		l.checkExport(node, t)
		return
	}
	if t.VMX != "" {
		l.Refuse(l.own(node, "vmx"), "vmx is for hosts with driver vcb")
	}
	l.checkPath(node, t.VM, t.Host)
}

func (l *loader) checkExport(node strict.Node, t *Task) {
	named := slices.ContainsFunc(vcbSelectors, func(kind string) bool { return len(t.VM) > len(kind) && strings.HasPrefix(t.VM, kind) })
	if !named {
		l.Refuse(node, "%q: want name:NAME, ipaddr:ADDRESS, uuid:UUID or moref:MOREF, as the driver is vcb", t.VM)
	}
	stops := t.Quiesce == capture.StopSnapshot || t.Quiesce == capture.Stop || t.Quiesce == capture.Suspend
	if stops && t.VMX == "" {
		l.Refuse(node, "to %s the VM, vmrun needs its vmx, as \"[datastore] web/web.vmx\"; or choose quiesce: snapshot", t.Quiesce)
	}
}

// checkPath refuses paths that could mean this or that.
func (l *loader) checkPath(node strict.Node, vm string, h host.Host) {
	if strings.ContainsRune(vm, 0) {
		l.Refuse(node, "%q: no path holds a NUL", vm)
		return
	}
	if _, _, named := host.SplitDatastore(vm); named {
		if _, err := h.Local(vm); err != nil {
			l.Refuse(node, "%v", err)
		}
		return
	}
	if !filepath.IsAbs(vm) {
		l.Refuse(node, "%q: want an absolute path, or \"[datastore] folder/name.vmx\"", vm)
	}
}
