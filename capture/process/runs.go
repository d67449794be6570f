package process

import "path/filepath"

// Runs reports whether argv is a call of one of the programs, whatever their
// folders. A wrapper script stands second, behind its interpreter.
func Runs(argv []string, programs ...string) bool {
	for i, arg := range argv {
		if i > 1 {
			return false
		}
		for _, program := range programs {
			if filepath.Base(arg) == filepath.Base(program) {
				return true
			}
		}
	}
	return false
}
