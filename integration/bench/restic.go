//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
)

func restic(program string) tool {
	run := func(p place, args ...string) command {
		return command{
			program: program,
			args:    append([]string{"--quiet"}, args...),
			dir:     filepath.Dir(p.vm),
			env:     []string{"RESTIC_REPOSITORY=" + p.repository(), "RESTIC_CACHE_DIR=" + p.private(), "RESTIC_PASSWORD=benchmark"},
		}
	}
	return tool{
		name: resticName,
		settings: "`init --repository-version 2`, compression `auto`; all read again with `backup --force`; " +
			"restored with `--sparse` where it has that. It always encrypts",
		version: command{program: program, args: []string{"version"}},
		init:    func(p place) command { return run(p, "init", "--repository-version", "2") },
		capture: func(p place, again bool) command {
			if again {
				return run(p, "backup", "--force", vmFolder)
			}
			return run(p, "backup", vmFolder)
		},
		restore: func(p place, to string) command {
			args := []string{"restore", "latest", "--target", to, "--include", filepath.Join("/", vmFolder, diskName)}
			if resticRestoresSparse(program) {
				args = append(args, "--sparse")
			}
			return run(p, args...)
		},
		restored: filepath.Join(vmFolder, diskName),
		check:    func(p place) command { return run(p, "check", "--read-data") },
		mount:    func(p place, at string) command { return run(p, "mount", at) },
		mounted:  filepath.Join("snapshots", "latest", vmFolder, diskName),
	}
}

// resticRestoresSparse asks restic's help: 0.14 and older cannot.
func resticRestoresSparse(program string) bool {
	help, err := exec.Command(program, "restore", "--help").Output()
	return err == nil && strings.Contains(string(help), "--sparse")
}
