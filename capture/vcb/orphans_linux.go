package vcb

import (
	"cmp"
	"path/filepath"
	"slices"
	"syscall"

	"granary/capture/process"
)

// orphans finds the processes that have one of flags with dir behind it. granary
// gives absolute paths only.
func orphans(dir, program string, flags ...string) ([]int, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return process.Find(func(argv []string, _ func() (string, error)) bool {
		if !process.Runs(argv, cmp.Or(program, mounter), mounter) {
			return false
		}
		for i, flag := range argv[:len(argv)-1] {
			if slices.Contains(flags, flag) && filepath.Clean(argv[i+1]) == dir {
				return true
			}
		}
		return false
	})
}

// endGroup asks a process to end, or kills it, with all that it started: a call
// of granary's leads a group of its own. That it is gone already is as good.
func endGroup(pid int, hard bool) {
	signal := syscall.SIGTERM
	if hard {
		signal = syscall.SIGKILL
	}
	if group, err := syscall.Getpgid(pid); err == nil && group == pid {
		pid = -pid
	}
	_ = syscall.Kill(pid, signal)
	_ = syscall.Kill(pid, syscall.SIGCONT)
}
