package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"granary/capture/vmx"
	"granary/repo/format"
)

// Plan says what belongs to a VM, as its files tell before anything is done
// to it.
type Plan struct {
	VMX string // absolute path of the configuration
	// Origin names the VM from capture to capture: VMX, or, for an export,
	// what it was on its own host.
	Origin string
	Name   string // a folder's name, from displayName
	UUID   string // uuid.bios as 32 hexadecimal digits, empty if there is none
	// Files are sorted by path, without doubles.
	Files []PlannedFile
	// Snapshots are the display names of the VM's snapshots.
	Snapshots []string
	// WorkDir is where VMware writes redo logs and memory.
	WorkDir string
	// Memory is the guest's, Capacity that of its disks, in bytes.
	Memory, Capacity int64
	// Suspended tells that the VM has a suspended state; Stateless, that the
	// export of a suspended VM left that out.
	Suspended, Stateless bool
	// NotCovered names disks that a snapshot does not freeze.
	NotCovered []string
	// Warnings are for the operator; none keeps the VM from being captured.
	Warnings []string
}

// PlannedFile is a file to capture.
type PlannedFile struct {
	Path   string // in the generation, parts separated by "/"
	Source string // on this host, absolute
	Role   format.Role
}

// FindVMX returns the configuration that a command line's argument means: the
// file itself, or the only .vmx file of a folder.
func FindVMX(arg string) (string, error) {
	path, err := filepath.Abs(arg)
	if err != nil {
		return "", fmt.Errorf("find VM: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find VM: %w", err)
	}
	if !info.IsDir() {
		if !strings.EqualFold(filepath.Ext(path), ".vmx") {
			return "", fmt.Errorf("find VM: %s is neither a .vmx file nor a folder that holds one", arg)
		}
		return path, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("find VM: %w", err)
	}
	var found []string
	for _, e := range entries {
		if strings.EqualFold(filepath.Ext(e.Name()), ".vmx") && !e.IsDir() {
			found = append(found, e.Name())
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("find VM: no .vmx file in %s: %w", arg, fs.ErrNotExist)
	case 1:
		return filepath.Join(path, found[0]), nil
	}
	return "", fmt.Errorf("find VM: %s holds several .vmx files (%s); name one", arg, strings.Join(found, ", "))
}

// planner gathers the files of a VM.
type planner struct {
	plan     *Plan
	dir      string
	config   *vmx.File
	bySource map[string]int // index in plan.Files
	export   bool           // what is not whole is refused
}

// NewPlan reads a VM's configuration and follows each disk: its descriptor,
// extents, parents and snapshots. also are small files that belong with it, as
// that of its team. It returns ErrNoDisks, ErrRaw or ErrMissing.
func NewPlan(vmxPath string, also ...string) (*Plan, error) {
	p, err := newPlanner(vmxPath)
	if err != nil {
		return nil, err
	}
	for _, source := range append([]string{vmxPath}, also...) {
		if err := p.add(source, format.RoleConfig); err != nil {
			return nil, err
		}
	}
	for _, d := range p.config.Disks() {
		if err := p.attached(d); err != nil {
			return nil, err
		}
	}
	if err := p.folder(); err != nil {
		return nil, err
	}
	p.snapshots()
	if !p.config.AutoAnswer() {
		p.warn(`the .vmx has no line msg.autoAnswer = "TRUE": a dialog that nobody sees can keep the VM from starting`)
	}
	p.room()
	p.plan.sort()
	return p.plan, p.plan.distinct()
}

// room finds out where and how much VMware may write while the VM is captured.
func (p *planner) room() {
	p.plan.WorkDir = p.dir
	if dir, ok := p.config.Get("workingDir"); ok && dir != "" && exists(resolve(p.dir, dir)) {
		p.plan.WorkDir = resolve(p.dir, dir)
	}
	if text, ok := p.config.Get("memsize"); ok {
		if mebibytes, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32); err == nil && mebibytes > 0 {
			p.plan.Memory = mebibytes << 20
		}
	}
}

// Size is that of all files, in bytes.
func (p *Plan) Size() int64 {
	total := int64(0)
	for _, f := range p.Files {
		if info, err := os.Stat(f.Source); err == nil {
			total += info.Size()
		}
	}
	return total
}

func (p *Plan) sort() {
	slices.SortFunc(p.Files, func(a, b PlannedFile) int { return strings.Compare(a.Path, b.Path) })
}

// newPlanner reads a configuration.
func newPlanner(vmxPath string) (*planner, error) {
	data, err := readSmall(vmxPath, vmx.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	config, err := vmx.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", vmxPath, err)
	}
	p := &planner{plan: &Plan{VMX: vmxPath, Origin: vmxPath, UUID: config.UUID()}, dir: filepath.Dir(vmxPath), config: config, bySource: map[string]int{}}
	p.plan.Name = safeName(config.DisplayName(), strings.TrimSuffix(filepath.Base(vmxPath), filepath.Ext(vmxPath)))
	disks := config.Disks()
	if len(disks) == 0 {
		if config.Encrypted() {
			return nil, fmt.Errorf("%s: %w that can be seen: its configuration is encrypted", vmxPath, ErrNoDisks)
		}
		return nil, fmt.Errorf("%s: %w", vmxPath, ErrNoDisks)
	}
	if bad := config.Malformed(); len(bad) > 0 {
		p.warn("%s: lines %v cannot be understood; a disk named there is not captured", vmxPath, bad)
	}
	if config.Encrypted() {
		p.warn("%s is encrypted: disks that only its hidden part names are not captured", vmxPath)
	}
	return p, nil
}

func (p *planner) warn(format string, args ...any) {
	p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf(format, args...))
}

// attached follows a disk that the configuration names.
func (p *planner) attached(d vmx.Disk) error {
	if d.Raw() {
		return fmt.Errorf("disk %s (%s): %w", d.Node, d.FileName, ErrRaw)
	}
	if d.Independent() {
		p.plan.NotCovered = append(p.plan.NotCovered, d.Node+" "+d.FileName)
	}
	err := p.disk(resolve(p.dir, d.FileName))
	if errors.Is(err, ErrMissing) && d.RawFileName != d.FileName {
		// On this host the name may never have been converted.
		if raw := p.disk(resolve(p.dir, d.RawFileName)); !errors.Is(raw, ErrMissing) {
			err = raw
		}
	}
	if err != nil {
		return fmt.Errorf("disk %s: %w", d.Node, err)
	}
	return nil
}

// add plans a file once, whatever names lead to it.
func (p *planner) add(source string, role format.Role) error {
	source = filepath.Clean(source)
	if _, done := p.bySource[source]; done {
		return nil
	}
	path := pathOf(p.dir, source)
	if err := format.CheckPath(path); err != nil {
		return fmt.Errorf("file %q: %w", source, err)
	}
	p.bySource[source] = len(p.plan.Files)
	p.plan.Files = append(p.plan.Files, PlannedFile{Path: path, Source: source, Role: role})
	return nil
}

// externalDir holds what lies outside of the VM's folder.
const externalDir = "external"

// pathOf is where a file appears in a generation: below the VM's folder as it
// lies there, else below external/ with its whole path. The path is clean and
// absolute, so that no ".." is left in it.
func pathOf(dir, source string) string {
	if rel, err := filepath.Rel(dir, source); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	volume := filepath.VolumeName(source)
	rest := strings.Trim(filepath.ToSlash(source[len(volume):]), "/")
	if volume = strings.Trim(strings.NewReplacer(":", "", `\`, "/").Replace(volume), "/"); volume != "" {
		rest = volume + "/" + rest
	}
	return externalDir + "/" + rest
}

// distinct refuses two files of one path, as a VM's own folder "external" may
// make.
func (p *Plan) distinct() error {
	for i := 1; i < len(p.Files); i++ {
		a, b := p.Files[i-1], p.Files[i]
		if a.Path == b.Path {
			return fmt.Errorf("%s and %s would both be %q in the backup; rename one", a.Source, b.Source, a.Path)
		}
	}
	return nil
}

// resolve finds a file that another one in dir names.
func resolve(dir, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// safeName makes a display name a folder's name.
func safeName(display, fallback string) string {
	for _, name := range []string{display, fallback} {
		name = strings.ToValidUTF8(name, "_")
		name = strings.Map(func(r rune) rune {
			if r == '/' || r == '\\' || r < 0x20 || r >= 0x7f && r < 0xa0 {
				return '_'
			}
			return r
		}, strings.TrimSpace(name))
		for len(name) > 200 {
			runes := []rune(name)
			name = string(runes[:len(runes)-1])
		}
		if format.CheckVMName(name) == nil {
			return name
		}
	}
	return "vm"
}

// readSmall reads a regular file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, limit)
	}
	return b, nil
}

// openRegular refuses devices, pipes and folders before it opens them: opening
// a pipe would wait for ever.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ErrMissing)
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		if info.Mode()&fs.ModeDevice != 0 {
			return nil, fmt.Errorf("%s: %w", path, ErrRaw)
		}
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path)
}
