//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// sample is what one run took.
type sample struct {
	took time.Duration
	cpu  time.Duration // of all processors; 0 where it was not measured
	// peak is the most memory resident at a time, with the pages of mapped
	// files, which the kernel takes back when it needs them; own is the most
	// without them. Bytes; 0 where they were not measured.
	peak, own int64
}

// measure runs a program and waits for it. It returns what that wrote.
func measure(ctx context.Context, program string, args ...string) (sample, []byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return sample{}, nil, err
	}
	ended, watched := make(chan struct{}), make(chan sample)
	go func() { watched <- watchMemory(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	took := time.Since(began)
	close(ended)
	s := <-watched
	s.took = took
	if err != nil {
		return s, nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, complaints.Bytes())
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return s, out.Bytes(), nil
}

// watchMemory samples the memory of a process while it runs. The kernel's own
// record of the peak, in rusage, begins with that of the process that started it.
func watchMemory(pid int, ended <-chan struct{}) (s sample) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s.peak, s.own = max(s.peak, memory(pid, "VmHWM")), max(s.own, memory(pid, "RssAnon"))
		select {
		case <-ended:
			return s
		case <-tick.C:
		}
	}
}

// memory reads a value of /proc/PID/status in bytes, 0 where there is none.
func memory(pid int, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// cpuTime is what a process has spent on all processors, to 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The program's name, which may hold anything, ends with the last bracket.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var user, system time.Duration
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return (user + system) * 10 * time.Millisecond, err
}
