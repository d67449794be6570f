//go:build linux

package main

import "path/filepath"

const granaryName = "granary"

func granary(program string) tool {
	run := func(p place, args ...string) command {
		return command{program: program, args: append([]string{"--repo", p.repository(), "--state-dir", p.private(), "--quiet"}, args...)}
	}
	return tool{
		name:     granaryName,
		settings: "`init --plaintext`, `capture --driver files --quiesce none`; all read again with `--full-scan`",
		version:  command{program: program, args: []string{"--version"}},
		init:     func(p place) command { return run(p, "init", "--plaintext") },
		capture: func(p place, again bool) command {
			args := []string{"capture", "--driver", "files", "--quiesce", "none"}
			if again {
				args = append(args, "--full-scan")
			}
			return run(p, append(args, p.vm)...)
		},
		restore:  func(p place, to string) command { return run(p, "restore", vmName, diskName, "--to", to) },
		restored: diskName,
		check:    func(p place) command { return run(p, "check", "--read-data") },
		mount:    func(p place, at string) command { return run(p, "mount", at) },
		mounted:  filepath.Join(vmName, "latest", diskName),
	}
}
