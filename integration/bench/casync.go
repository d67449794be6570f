//go:build linux

package main

import (
	"fmt"
	"path/filepath"
)

// casync stores the disk alone, as a blob: no other form of it takes pieces that
// are stored already out of a big file. It has no check, and mounts no blob.
func casync() tool {
	run := func(p place, verb string, capture int, file string) command {
		index := filepath.Join(p.repository(), fmt.Sprintf("%d.caibx", capture))
		return command{program: "casync", args: []string{verb, "--compression=zstd", "--store=" + filepath.Join(p.repository(), "store.castr"), index, file}}
	}
	return tool{
		name:     "casync",
		settings: "`make` of the disk as a blob, into one store; chunks of 64 KiB on average, zstd",
		version:  command{program: "casync", args: []string{"--version"}},
		capture: func(p place, _ bool) command {
			return run(p, "make", p.captures+1, filepath.Join(p.vm, diskName))
		},
		restore:  func(p place, to string) command { return run(p, "extract", p.captures, filepath.Join(to, diskName)) },
		restored: diskName,
	}
}
