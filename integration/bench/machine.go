//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where it was measured.
type machine struct {
	CPU, System, Kernel, Filesystem string
	Cores                           int // that were used
	MemoryGiB                       float64
}

var (
	cpuLine    = regexp.MustCompile(`(?m)^model name\s*: (.+)$`)
	systemLine = regexp.MustCompile(`(?m)^PRETTY_NAME="?([^"\n]+)`)
)

// describeMachine describes this one, with the file system that holds dir.
func describeMachine(ctx context.Context, dir string) (machine, error) {
	var info unix.Sysinfo_t
	var names unix.Utsname
	if err := errors.Join(unix.Sysinfo(&info), unix.Uname(&names)); err != nil {
		return machine{}, err
	}
	filesystem, err := command{program: "findmnt", args: []string{"-n", "-o", "FSTYPE", "--target", dir}}.output(ctx)
	if err != nil {
		return machine{}, err
	}
	types := strings.Fields(filesystem) // of all that are mounted there, the visible one last
	return machine{
		CPU:        find(cpuLine, "/proc/cpuinfo"),
		System:     find(systemLine, "/etc/os-release"),
		Kernel:     unix.ByteSliceToString(names.Release[:]),
		Filesystem: types[len(types)-1],
		Cores:      runtime.NumCPU(),
		MemoryGiB:  float64(info.Totalram) * float64(info.Unit) / (1 << 30),
	}, nil
}

// find returns the first match in a file, or says that it is not known there.
func find(line *regexp.Regexp, path string) string {
	text, err := os.ReadFile(path)
	if found := line.FindSubmatch(text); err == nil && found != nil {
		return string(found[1])
	}
	return "unknown"
}
