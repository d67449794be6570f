package vmrun

import (
	"cmp"
	"path/filepath"
	"strings"

	"granary/capture/process"
)

func (c *Client) orphans(name string) ([]int, error) {
	return process.Find(func(argv []string, dir func() (string, error)) bool {
		return process.Runs(argv, cmp.Or(c.Program, defaultProgram), defaultProgram) && c.isAmong(argv[1:], name, dir)
	})
}

// isAmong reports whether one of args is the virtual machine name. Those that
// are relative belong to the directory of their process.
func (c *Client) isAmong(args []string, name string, dir func() (string, error)) bool {
	for _, arg := range args {
		if arg == name {
			return true
		}
		if !strings.EqualFold(filepath.Ext(arg), filepath.Ext(name)) || filepath.Ext(arg) == "" {
			continue // no need to ask the file system about a password
		}
		if !filepath.IsAbs(arg) && !strings.HasPrefix(arg, "[") {
			at, err := dir()
			if err != nil {
				continue
			}
			arg = filepath.Join(at, arg)
		}
		if c.same(arg, name) {
			return true
		}
	}
	return false
}
