//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// recipe counts the changes of how the data are made: data of another recipe are
// made anew.
const recipe = 1

// states is how many points in time of the disk there are.
const states = 3

// data is what is backed up: the folder of a virtual machine that does not run,
// and the states of its disk. It is kept beside them as data.json.
type data struct {
	Recipe   int
	Seed     string
	Packages int // in the guest's file tree

	TreeBytes  int64
	StateBytes [states]int64 // allocated

	dir string
}

// statePath is where state 1 to 3 of the disk is.
func (d data) statePath(number int) string {
	return filepath.Join(d.dir, "states", fmt.Sprintf("web-flat-%d.vmdk", number))
}

func (d data) vm() string { return filepath.Join(d.dir, vmFolder) }

// show makes a state the disk of the virtual machine. It is a hard link, so the
// path stays and the inode and the times are others.
func (d data) show(state int) error {
	disk := filepath.Join(d.vm(), diskName)
	if err := os.Remove(disk); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("show state %d: %w", state, err)
	}
	if err := os.Link(d.statePath(state), disk); err != nil {
		return fmt.Errorf("show state %d: %w", state, err)
	}
	return nil
}

// makeData returns the data in dir; it makes them unless they are whole.
func makeData(ctx context.Context, dir string) (data, error) {
	var d data
	marker := filepath.Join(dir, "data.json")
	text, err := os.ReadFile(marker)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	d.dir = dir
	if err == nil && d.Recipe == recipe && d.Seed == seed {
		return d, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return data{}, fmt.Errorf("read %s: %w", marker, err)
	}
	d = data{Recipe: recipe, Seed: seed, dir: dir}
	for _, step := range []func(context.Context) error{d.clear, d.makeTree, d.makeFirst, d.makeDay, d.makePages, d.makeVM} {
		if err := step(ctx); err != nil {
			return data{}, err
		}
	}
	for i := range d.StateBytes {
		if d.StateBytes[i], err = diskUsage(d.statePath(i + 1)); err != nil {
			return data{}, err
		}
	}
	if err := syncFilesystem(dir); err != nil {
		return data{}, err
	}
	return d, writeJSON(marker, d)
}

// clear removes what an earlier, unfinished making left.
func (d *data) clear(context.Context) error {
	unmountAll(d.guest())
	err := os.Remove(filepath.Join(d.dir, "data.json"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	for _, folder := range []string{d.guest(), d.tree(), d.archives(), filepath.Dir(d.statePath(1)), d.vm()} {
		err = errors.Join(err, os.RemoveAll(folder), os.MkdirAll(folder, 0o755))
	}
	return err
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
