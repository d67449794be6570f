//go:build linux

package main

import (
	"fmt"
	"path/filepath"
)

// borg cuts files into chunks of a fixed size, in bytes.
func borg(name string, chunk int) tool {
	chunker := fmt.Sprintf("fixed,%d", chunk)
	run := func(p place, dir string, args ...string) command {
		return command{
			program: "borg",
			args:    args,
			dir:     dir,
			env: []string{"BORG_REPO=" + p.repository(), "BORG_BASE_DIR=" + p.private(),
				"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes", "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes"},
		}
	}
	within := func(p place) string { return filepath.Dir(p.vm) }
	newest := func(p place) string { return fmt.Sprintf("::%d", p.captures) }
	return tool{
		name: name,
		settings: "`init -e none`, `create --sparse --compression zstd,1 --chunker-params " + chunker +
			"`; all read again with `--files-cache disabled`; `extract --sparse`",
		version: command{program: "borg", args: []string{"--version"}},
		init:    func(p place) command { return run(p, within(p), "init", "-e", "none") },
		capture: func(p place, again bool) command {
			args := []string{"create", "--sparse", "--compression", "zstd,1", "--chunker-params", chunker}
			if again {
				args = append(args, "--files-cache", "disabled")
			}
			return run(p, within(p), append(args, fmt.Sprintf("::%d", p.captures+1), vmFolder)...)
		},
		restore: func(p place, to string) command {
			return run(p, to, "extract", "--sparse", newest(p), filepath.Join(vmFolder, diskName))
		},
		restored: filepath.Join(vmFolder, diskName),
		check:    func(p place) command { return run(p, within(p), "check", "--verify-data") },
		mount:    func(p place, at string) command { return run(p, within(p), "mount", "--foreground", newest(p), at) },
		mounted:  filepath.Join(vmFolder, diskName),
	}
}
