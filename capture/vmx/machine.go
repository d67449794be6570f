package vmx

import "strings"

// DisplayName returns the machine's name as its user sees it, or "".
func (f *File) DisplayName() string { return f.text("displayName") }

// NVRAM returns the name of the firmware's memory file, or "".
func (f *File) NVRAM() string { return f.text("nvram") }

// SuspendState returns the name of the file that holds the suspended machine,
// or "" for one that is not suspended.
func (f *File) SuspendState() string { return f.text("checkpoint.vmState") }

// AutoAnswer reports whether VMware answers its own questions. Without it, a
// question nobody sees makes vmrun wait for ever.
func (f *File) AutoAnswer() bool { return f.Bool("msg.autoAnswer") }

// Encrypted reports whether the machine is encrypted. Then the keys in sight
// may be few, and [File.Disks] may miss disks, as all others can lie inside
// encryption.data. Only with partial encryption do they stay readable.
func (f *File) Encrypted() bool {
	for _, key := range []string{"encryption.keySafe", "encryption.data", "vmx.encryptionType"} {
		if f.text(key) != "" {
			return true
		}
	}
	return false
}

// UUID returns the machine's BIOS UUID as 32 lower-case hexadecimal digits. It
// is "" if absent or malformed; a fresh clone has none until its first start.
func (f *File) UUID() string {
	digits := strings.NewReplacer(" ", "", "-", "").Replace(f.text("uuid.bios"))
	if len(digits) != 32 {
		return ""
	}
	for i := range len(digits) {
		if hexDigit(digits[i]) < 0 {
			return ""
		}
	}
	return lowerASCII(digits)
}
