//go:build linux

package lab

import (
	"strings"
	"unicode/utf8"
)

// longestStem leaves room in a file's name for the endings that VMware adds.
const longestStem = 200

// fileStem returns what the machine's files begin with: its name, as far as a
// file can have it.
func fileStem(name string) string {
	return shorten(strings.ReplaceAll(name, "/", "_"))
}

// diskStem returns what the disks' files begin with. Their names stand in VMDK
// descriptors, which can escape nothing, and qemu-img reads more into some.
func diskStem(name string) string {
	safe := []byte(name) // by bytes: what is not UTF-8 stays
	for i, c := range safe {
		if c < ' ' || c == 0x7f || strings.IndexByte(`/\":`, c) >= 0 || c == '-' && i == 0 {
			safe[i] = '_'
		}
	}
	return shorten(string(safe))
}

// shorten cuts name to longestStem bytes, between two characters.
func shorten(name string) string {
	if len(name) <= longestStem {
		return name
	}
	end := longestStem
	for end > longestStem-utf8.UTFMax && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end]
}
