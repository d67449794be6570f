package vmx

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Disk is a virtual disk attached to the machine.
type Disk struct {
	// Node is where the disk is attached, in lower case: "scsi0:1".
	Node string
	// FileName names the disk's descriptor, relative to the .vmx file's
	// directory or absolute, as it is written: it may be a Windows path. It is
	// never empty.
	FileName string
	// RawFileName is FileName before decoding. It is the one to look for when
	// the disk's name was never converted on its way to this host.
	RawFileName string
	// Mode is "persistent", "independent-persistent" and so on, or "", which
	// means persistent.
	Mode string
	// DeviceType is "scsi-hardDisk", "rawDisk" and so on, often "".
	DeviceType string
	// Redo names a redo log, and is usually "".
	Redo string
}

// Independent reports whether snapshots leave this disk out.
func (d Disk) Independent() bool {
	return strings.HasPrefix(lowerASCII(d.Mode), "independent")
}

// Nonpersistent reports whether the disk forgets what is written to it when
// the machine stops. Old products say "nonpersistent", without "independent-".
func (d Disk) Nonpersistent() bool {
	return strings.HasSuffix(lowerASCII(d.Mode), "nonpersistent")
}

// Raw reports whether the disk is, by its device type or its name, a device of
// the host or a mapping to one, which cannot be backed up as a file. False is
// no proof: the disk's descriptor has the last word.
func (d Disk) Raw() bool {
	deviceType := lowerASCII(d.DeviceType)
	for _, sign := range []string{"passthru", "rawdisk", "rdm", "physicaldrive"} {
		if strings.Contains(deviceType, sign) {
			return true
		}
	}
	name := lowerASCII(d.FileName)
	for _, root := range []string{"/dev/", "/vmfs/devices/", `\\.\`} {
		if strings.HasPrefix(name, root) {
			return true
		}
	}
	return false
}

// diskKey matches in a key already in lower case. Matching with (?i) would be
// wrong: by Unicode's rules the letter ſ is an s.
var diskKey = regexp.MustCompile(`^(ide|nvme|sata|scsi)([0-9]{1,9}):([0-9]{1,9})\.filename$`)

// Disks returns the disks that are present, sorted by bus, controller and
// unit. CD-ROMs, floppies, and drives without a medium are not among them, nor
// is what hangs on a controller that is switched off.
func (f *File) Disks() []Disk {
	type place struct {
		bus              string
		controller, unit int
		disk             Disk
	}
	var places []place
	for key := range f.values {
		m := diskKey.FindStringSubmatch(key)
		if m == nil {
			continue
		}
		d, ok := f.diskAt(m[1]+m[2], m[1]+m[2]+":"+m[3])
		if !ok {
			continue
		}
		// At most nine digits, so neither conversion can fail.
		controller, _ := strconv.Atoi(m[2])
		unit, _ := strconv.Atoi(m[3])
		places = append(places, place{m[1], controller, unit, d})
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(
			cmp.Compare(a.bus, b.bus),
			cmp.Compare(a.controller, b.controller),
			cmp.Compare(a.unit, b.unit),
			cmp.Compare(a.disk.Node, b.disk.Node), // scsi0:0 and scsi00:0
		)
	})
	disks := make([]Disk, len(places))
	for i, p := range places {
		disks[i] = p.disk
	}
	return disks
}

// diskAt returns the disk at a node, unless there is none or it is no disk.
func (f *File) diskAt(controller, node string) (Disk, bool) {
	d := Disk{
		Node:        node,
		FileName:    f.text(node + ".fileName"),
		RawFileName: f.values[node+".filename"],
		Mode:        f.text(node + ".mode"),
		DeviceType:  f.text(node + ".deviceType"),
		Redo:        f.text(node + ".redo"),
	}
	if !f.Bool(node+".present") || f.switchedOff(controller) {
		return Disk{}, false
	}
	if isPlaceholder(d.FileName) || isCDROM(d) {
		return Disk{}, false
	}
	return d, true
}

// switchedOff reports whether a controller is said to be absent. One that is
// not mentioned is there: IDE controllers never are.
func (f *File) switchedOff(controller string) bool {
	_, mentioned := f.Get(controller + ".present")
	return mentioned && !f.Bool(controller+".present")
}

// isPlaceholder reports whether a name stands for the absence of a file.
func isPlaceholder(name string) bool {
	switch lowerASCII(strings.TrimSpace(name)) {
	case "", "auto detect", "emptybackingstring":
		return true
	}
	return false
}

// isCDROM reports whether a device is a CD-ROM drive. Besides its type, an
// image's suffix and ESX's device path give it away: a CD-ROM can be
// "scsi-passthru", and a drive without a type can hold an .iso image.
func isCDROM(d Disk) bool {
	deviceType, name := lowerASCII(d.DeviceType), lowerASCII(d.FileName)
	return strings.Contains(deviceType, "cdrom") ||
		strings.HasPrefix(name, "/vmfs/devices/cdrom/") ||
		deviceType == "" && strings.HasSuffix(name, ".iso")
}
