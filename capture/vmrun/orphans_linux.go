package vmrun

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func orphans(vmx, program string) ([]int, error) {
	if abs, err := filepath.Abs(vmx); err == nil && !strings.HasPrefix(vmx, "[") {
		vmx = abs
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process that has ended or is not ours to see has no arguments.
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(raw) == 0 {
			continue
		}
		argv := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
		if runs(argv, program) && names(argv[1:], vmx, pid) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// runs reports whether argv is a call of program or of the vmrun behind it. A
// wrapper script stands second, behind its interpreter.
func runs(argv []string, program string) bool {
	for i, arg := range argv {
		if i > 1 {
			return false
		}
		if base := filepath.Base(arg); base == filepath.Base(program) || base == defaultProgram {
			return true
		}
	}
	return false
}

// names reports whether one of args is the virtual machine vmx. Those that are
// relative belong to the directory of their process.
func names(args []string, vmx string, pid int) bool {
	for _, arg := range args {
		if arg == vmx {
			return true
		}
		if !strings.EqualFold(filepath.Ext(arg), filepath.Ext(vmx)) || filepath.Ext(arg) == "" {
			continue // no need to ask the file system about a password
		}
		if !filepath.IsAbs(arg) && !strings.HasPrefix(arg, "[") {
			dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
			if err != nil {
				continue
			}
			arg = filepath.Join(dir, arg)
		}
		if samePath(arg, vmx) {
			return true
		}
	}
	return false
}
