package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"granary/capture"
	"granary/capture/host"
)

// Tasks are the VMs that the job names, as they are now, in the order of the
// file; a VM that is named twice is one task. Entries are patterns if they hold
// one of *, ? and [ and no file of just that name exists. What fits a pattern is
// a .vmx, a team, or a folder that holds exactly one .vmx.
//
// Warnings are for the operator. The error joins what could not be looked into;
// the tasks are good even so. A path that does not exist is a task, too: its
// capture fails.
func (j *Job) Tasks(ctx context.Context) (tasks []Task, warnings []string, err error) {
	x := &expansion{names: map[string]bool{}}
	// An entry that names one VM knows more about it than a pattern.
	found := make([][]Task, len(j.selections))
	for _, patterns := range []bool{false, true} {
		for i, s := range j.selections {
			if s.pattern() == patterns {
				found[i] = x.expand(ctx, s)
			}
		}
	}
	for _, t := range found {
		tasks = append(tasks, t...)
	}
	if len(tasks) == 0 {
		x.errs = append(x.errs, ErrNoVMs)
	}
	return tasks, x.warnings, errors.Join(x.errs...)
}

// Distinct leaves out tasks whose VM an earlier one captures.
func Distinct(tasks []Task) []Task {
	x := &expansion{names: map[string]bool{}}
	return slices.DeleteFunc(tasks, func(t Task) bool { return !x.first(t) })
}

// pattern tells whether the entry stands for all that fits it.
func (s selection) pattern() bool {
	if s.Host.Driver == host.VCB || !isPattern(s.VM) {
		return false
	}
	local, err := s.Host.Local(s.VM)
	if err != nil {
		return false
	}
	_, err = os.Lstat(local)
	return err != nil
}

// expansion is what has been found.
type expansion struct {
	seen     []os.FileInfo   // the configurations that tasks are made for
	names    map[string]bool // of all tasks
	warnings []string
	errs     []error
}

func (x *expansion) warn(s selection, format string, args ...any) {
	x.warnings = append(x.warnings, s.line+": "+fmt.Sprintf(format, args...))
}

func (x *expansion) expand(ctx context.Context, s selection) []Task {
	if !s.pattern() {
		if x.first(s.Task) {
			return []Task{s.Task}
		}
		x.warn(s, "%q is named before, and captured once", s.VM)
		return nil
	}
	root, pattern, prefix := globParts(s.Task)
	matches, err := glob(ctx, root, pattern)
	if err != nil {
		x.errs = append(x.errs, fmt.Errorf("%s: look for %q: %w", s.line, s.VM, err))
	}
	var tasks []Task
	fits := 0
	for _, rel := range matches {
		rel, ok := x.configuration(s, root, rel)
		if !ok {
			continue
		}
		fits++
		t := s.Task
		t.VM = prefix + filepath.ToSlash(rel)
		if prefix == "" {
			t.VM = filepath.Join(root, rel)
		}
		if x.first(t) {
			tasks = append(tasks, t)
		}
	}
	if fits == 0 && err == nil {
		x.warn(s, "nothing fits the pattern %q", s.VM)
	}
	return tasks
}

// globParts are the folder that a pattern starts from, the pattern below it, and
// what stands before a match in the VM's name.
func globParts(t Task) (root, pattern, prefix string) {
	if name, rest, ok := host.SplitDatastore(t.VM); ok {
		return t.Host.Datastores[name], filepath.Clean("/" + rest)[1:], "[" + name + "] "
	}
	volume := filepath.VolumeName(t.VM)
	return volume + string(filepath.Separator), filepath.Clean(t.VM)[len(volume)+1:], ""
}

// configuration is the .vmx or the team that a match means, below root. Files
// of other kinds and folders without a VM fit no pattern.
func (x *expansion) configuration(s selection, root, rel string) (string, bool) {
	path := filepath.Join(root, rel)
	if capture.IsTeam(path) {
		return rel, true
	}
	vmx, err := capture.FindVMX(path)
	if err != nil {
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() && !errors.Is(err, os.ErrNotExist) {
			x.warn(s, "%v", err)
		}
		return "", false
	}
	if vmx == path {
		return rel, true
	}
	return filepath.Join(rel, filepath.Base(vmx)), true
}

// first tells whether no task captures the same VM yet. Of a path that does not
// exist, or an export, the name decides.
func (x *expansion) first(t Task) bool {
	identity := t.identity()
	if x.names[identity] {
		return false
	}
	x.names[identity] = true
	info, err := t.stat()
	if err != nil {
		return true
	}
	for _, other := range x.seen {
		if os.SameFile(info, other) {
			return false
		}
	}
	x.seen = append(x.seen, info)
	return true
}

// stat looks at the file that makes the VM.
func (t Task) stat() (os.FileInfo, error) {
	if t.Host.Driver == host.VCB {
		return nil, os.ErrNotExist
	}
	local, err := t.Host.Local(t.VM)
	if err != nil {
		return nil, err
	}
	if !capture.IsTeam(local) {
		if local, err = capture.FindVMX(local); err != nil {
			return nil, err
		}
	}
	return os.Stat(local)
}

// identity names the VM among all that granary captures from this machine.
func (t Task) identity() string {
	vm := t.VM
	if _, _, named := host.SplitDatastore(vm); !named && t.Host.Driver != host.VCB {
		if abs, err := filepath.Abs(vm); err == nil {
			vm = abs
		}
	}
	return t.Host.Address + "\x00" + vm
}
