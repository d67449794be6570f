package vmrun

import (
	"path/filepath"
	"strings"

	"granary/capture/process"
)

func orphans(vmx, program string) ([]int, error) {
	if abs, err := filepath.Abs(vmx); err == nil && !strings.HasPrefix(vmx, "[") {
		vmx = abs
	}
	return process.Find(func(argv []string, dir func() (string, error)) bool {
		return process.Runs(argv, program, defaultProgram) && names(argv[1:], vmx, dir)
	})
}

// names reports whether one of args is the virtual machine vmx. Those that are
// relative belong to the directory of their process.
func names(args []string, vmx string, dir func() (string, error)) bool {
	for _, arg := range args {
		if arg == vmx {
			return true
		}
		if !strings.EqualFold(filepath.Ext(arg), filepath.Ext(vmx)) || filepath.Ext(arg) == "" {
			continue // no need to ask the file system about a password
		}
		if !filepath.IsAbs(arg) && !strings.HasPrefix(arg, "[") {
			at, err := dir()
			if err != nil {
				continue
			}
			arg = filepath.Join(at, arg)
		}
		if samePath(arg, vmx) {
			return true
		}
	}
	return false
}
