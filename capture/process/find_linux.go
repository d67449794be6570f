package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Find returns the other processes whose command line fits; dir gives their
// working directory. A process that has ended or is not ours to see is none.
// Only Linux tells; elsewhere there is no answer and no error.
func Find(fits func(argv []string, dir func() (string, error)) bool) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("read the process table: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(raw) == 0 {
			continue
		}
		argv := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
		if fits(argv, func() (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)) }) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
