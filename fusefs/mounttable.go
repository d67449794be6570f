//go:build linux

package fusefs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mounted is a line of the table of mounts.
type mounted struct {
	device string // major:minor
	point  string
	fsType string
}

// mountTable reads the mounts of this process, in the order in which they were
// made. Unlike a stat it asks no file system, and so is safe beside mounts that
// hang, or that this process serves.
func mountTable() ([]mounted, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read table of mounts: %w", err)
	}
	return parseMountTable(string(b)), nil
}

// parseMountTable reads proc_pid_mountinfo(5).
func parseMountTable(text string) []mounted {
	var table []mounted
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		// Optional fields lie between the sixth and a dash.
		for i := 6; i+1 < len(fields); i++ {
			if fields[i] == "-" {
				table = append(table, mounted{device: fields[2], point: unescape(fields[4]), fsType: fields[i+1]})
				break
			}
		}
	}
	return table
}

// unescape undoes the octal escapes of spaces, tabs, newlines and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// at returns what is mounted on point, the topmost, or nil.
func at(table []mounted, point string) *mounted {
	for i := len(table) - 1; i >= 0; i-- {
		if table[i].point == point {
			return &table[i]
		}
	}
	return nil
}

func (m *mounted) ours() bool { return m != nil && m.fsType == mountType }
