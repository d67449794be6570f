package job

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"granary/capture/host"
	"granary/capture/process"
	"granary/job/strict"
)

// File is a job file.
type File struct {
	Path string // absolute
	Repo string // empty if it names none
	Jobs []*Job // in the order of the file
}

// Job is what is captured together.
type Job struct {
	Name   string
	File   string // absolute path of the job file
	Limits Limits
	// Before and After run on this machine around all captures; nil is none.
	Before, After *Script
	Retention     Retention

	selections []selection
}

// selection is an entry of a job's list of VMs.
type selection struct {
	Task // its VM may be a pattern
	// line is where the entry stands, for people.
	line string
}

// Job finds a job by its name. It returns ErrNoJob.
func (f *File) Job(name string) (*Job, error) {
	var names []string
	for _, j := range f.Jobs {
		if j.Name == name {
			return j, nil
		}
		names = append(names, j.Name)
	}
	return nil, fmt.Errorf("%w: %q in %s; there are: %s", ErrNoJob, name, f.Path, strings.Join(names, ", "))
}

// Load reads a job file. The error joins a *strict.Problem for each thing that
// is wrong with it. Programs that granary runs from then on do not inherit the
// variables that the file names as holding passwords.
func Load(path string) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read job file: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read job file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, strict.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read job file: %w", err)
	}
	file, err := parse(path, data)
	if err != nil {
		return nil, fmt.Errorf("read job file: %w", err)
	}
	return file, nil
}

func parse(path string, data []byte) (*File, error) {
	doc, err := strict.Parse(path, data)
	if err != nil {
		return nil, err
	}
	l := &loader{Document: doc, file: &File{Path: path}, hosts: map[string]host.Host{"": {}}}
	l.load()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return l.file, nil
}

// loader makes jobs of a document. What is wrong is noted in the document.
type loader struct {
	*strict.Document
	file  *File
	hosts map[string]host.Host // by name; this machine's is empty
}

func (l *loader) load() {
	var keys fileKeys
	l.Decode(l.Root(), &keys)
	l.file.Repo = keys.Repo
	keys.Limits.Host = map[string]int{}
	for name, node := range keys.Hosts {
		var h hostKeys
		l.Decode(node, &h)
		l.checkHost(name, node, h.Host)
		l.hosts[name] = h.Host
		if h.Parallel > 0 {
			keys.Limits.Host[name] = h.Parallel
		}
	}
	if !keys.Jobs.Given() {
		l.Refuse(l.Root(), "the key jobs is missing")
		return
	}
	entries := l.Entries(keys.Jobs)
	if len(entries) == 0 {
		l.Refuse(keys.Jobs, "there is no job")
	}
	for _, e := range entries {
		job := l.job(e)
		job.Limits = keys.Limits
		l.file.Jobs = append(l.file.Jobs, job)
	}
}

func (l *loader) checkHost(name string, node strict.Node, h host.Host) {
	if name == "" {
		l.Refuse(node, "a host needs a name")
	}
	if err := h.Check(); err != nil {
		l.Refuse(node, "%v", err)
	}
	for key, program := range map[string]string{"vmrun": h.Program, "vcbmounter": h.Mounter} {
		if isRelative(program) {
			l.Refuse(l.Lookup(node, key), "%s %q: want an absolute path, or a name to look for on the PATH", key, program)
		}
	}
	l.checkSecret(node, h.Password)
	l.checkSecret(l.Lookup(node, "vm"), h.VMPassword)
}

// checkSecret refuses two places for one password, and keeps the variable that
// holds it from scripts.
func (l *loader) checkSecret(node strict.Node, s host.Secret) {
	if s.File != "" && s.Env != "" {
		l.Refuse(node, "both password-file and password-env are given")
	}
	if s.File != "" && !filepath.IsAbs(s.File) {
		l.Refuse(node, "password-file %q: want an absolute path", s.File)
	}
	if s.Env != "" {
		process.HideVariable(s.Env)
	}
}

func (l *loader) job(e strict.Entry) *Job {
	var keys jobKeys
	l.Decode(e.Value, &keys)
	if e.Key == "" {
		l.Refuse(e.Value, "a job needs a name")
	}
	if len(keys.VMs) == 0 {
		l.Refuse(e.Value, "the job %q has no VMs: want a list vms", e.Key)
	}
	if retention := l.Lookup(e.Value, "retention"); retention.Given() && keys.Retention == (Retention{}) {
		l.Refuse(retention, "this keeps no generation; leave it out to keep all")
	}
	l.checkSettings(e.Value, keys.vmSettings)
	job := &Job{Name: e.Key, File: l.file.Path, Retention: keys.Retention,
		Before: within(keys.Before, keys.vmSettings), After: within(keys.After, keys.vmSettings)}
	deadlines := l.Lookup(e.Value, "deadlines")
	for _, node := range keys.VMs {
		vm := vmKeys{vmSettings: keys.vmSettings, Before: keys.VMBefore, After: keys.VMAfter}
		if text, plain := l.Text(node); plain {
			vm.VM = text
		} else {
			l.Decode(node, &vm)
			l.checkSettings(node, vm.vmSettings)
		}
		job.selections = append(job.selections, l.selection(node, vm, deadlines))
	}
	return job
}

// within gives a script its deadline.
func within(s *Script, settings vmSettings) *Script {
	if s == nil {
		return nil
	}
	return &Script{Program: s.Program, Text: s.Text, Deadline: settings.ScriptDeadline}
}

// selection lays a VM's settings over the job's, and both over the host's.
func (l *loader) selection(node strict.Node, vm vmKeys, jobDeadlines strict.Node) selection {
	h := l.hosts[vm.Host]
	h.Guest = vm.Guest.Login
	for _, deadlines := range []strict.Node{jobDeadlines, l.own(node, "deadlines")} {
		if deadlines.Given() {
			l.Decode(deadlines, &h.Deadlines)
		}
	}
	t := Task{VM: vm.VM, VMX: vm.VMX, HostName: vm.Host, Host: h, Name: vm.Name, Quiesce: vm.Quiesce, HardStop: vm.HardStop,
		FullScan: vm.FullScan, DeleteVCBSnapshot: vm.DeleteVCBSnapshot, Settle: vm.Settle, Deadline: vm.Deadline,
		Freeze: slices.Clip(vm.Guest.Freeze), Thaw: slices.Clip(vm.Guest.Thaw),
		Before: within(vm.Before, vm.vmSettings), After: within(vm.After, vm.vmSettings)}
	t.Quiesce = defaultMethod(t.Quiesce, h)
	l.checkTask(node, &t)
	return selection{Task: t, line: fmt.Sprintf("%s:%d", filepath.Base(l.file.Path), node.Line())}
}

// own is what an entry of the list of VMs says itself; a plain path says nothing.
func (l *loader) own(node strict.Node, key string) strict.Node {
	if _, plain := l.Text(node); plain {
		return strict.Node{}
	}
	return l.Lookup(node, key)
}
