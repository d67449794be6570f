//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// tool is a backup program and its settings. It says what is to be run; round
// runs and measures it. A program that cannot do a step has nil there.
type tool struct {
	name     string // as -peers takes it, and the column's head
	settings string // for the document
	version  command

	init    func(place) command
	capture func(p place, again bool) command // of the VM's folder; again: of one that looks unchanged, read all the same
	restore func(p place, to string) command  // of the disk of the newest capture, below the folder to
	check   func(place) command               // of all data
	mount   func(p place, at string) command  // in the foreground, until it is unmounted

	restored string // path of the disk below the folder restored to
	mounted  string // path of the newest disk below the mount point
}

// isPlainFile tells the plain file, which is only read.
func (t tool) isPlainFile() bool { return t.capture == nil }

// place is where a tool works in one round.
type place struct {
	dir      string // its folder, which goes at the end of the round
	vm       string // the folder of the virtual machine
	captures int    // made so far
}

func (p place) repository() string { return filepath.Join(p.dir, "repository") }

// private is for what is no part of the repository: caches, state.
func (p place) private() string { return filepath.Join(p.dir, "private") }

// The virtual machine: its name, its folder's and its disk's.
const (
	vmName   = "web"
	vmFolder = "vm"
	diskName = "web-flat.vmdk"
)

// peers returns every tool that granary can be compared with.
func peers(resticProgram string) []tool {
	return []tool{restic(resticProgram), borg("borg-64k", 64<<10), borg("borg-4m", 4<<20), casync()}
}

func peerNames() []string {
	var names []string
	for _, peer := range peers("") {
		names = append(names, peer.name)
	}
	return names
}

// plainFile is no backup program but the limit of the machine: the disk itself.
func plainFile() tool {
	return tool{name: plainName, settings: "the disk itself, read as the mounts are: the limit of the machine"}
}

// toolFacts is what the document says of a tool.
type toolFacts struct {
	Name, Version, Settings string
}

func describeTools(ctx context.Context, tools []tool) ([]toolFacts, error) {
	var facts []toolFacts
	for _, t := range tools {
		fact := toolFacts{Name: t.name, Settings: t.settings}
		if !t.isPlainFile() {
			out, err := t.version.output(ctx)
			if err != nil {
				return nil, fmt.Errorf("ask %s for its version: %w", t.name, err)
			}
			fact.Version, _, _ = strings.Cut(strings.TrimSpace(out), "\n")
		}
		facts = append(facts, fact)
	}
	return facts, nil
}
