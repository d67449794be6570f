package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"granary/capture/vcb"
	"granary/capture/vmdk"
	"granary/capture/vmx"
	"granary/repo/format"
)

// maxChain bounds a chain of parents: VMware itself allows some dozens.
const maxChain = 512

// disk plans a descriptor, its extents, and its chain of parents; children are
// those on the way to it.
func (p *planner) disk(path string, children ...string) error {
	if _, done := p.bySource[filepath.Clean(path)]; done && len(children) == 0 {
		return nil
	}
	if slices.Contains(children, path) {
		return fmt.Errorf("%s: its parents form a loop", path)
	}
	if len(children) > maxChain {
		return fmt.Errorf("%s: it has more than %d children in a chain", path, maxChain)
	}
	d, err := readDescriptor(path)
	if err != nil {
		return err
	}
	if d.Device() {
		return fmt.Errorf("%s is a disk of type %s: %w", path, d.CreateType, ErrRaw)
	}
	if err := p.add(path, format.RoleDisk); err != nil {
		return err
	}
	for _, e := range d.Extents {
		if len(children) == 0 {
			p.plan.Capacity += e.Sectors * vmdk.SectorSize
		}
		if err := p.extent(path, d, e); err != nil {
			return err
		}
	}
	if d.ChangeTrackPath != "" {
		if track := named(path, d, d.ChangeTrackPath); exists(track) {
			if err := p.add(track, format.RoleDisk); err != nil {
				return err
			}
		}
	}
	if !d.HasParent() {
		return nil
	}
	return p.parent(path, d, append(children, path))
}

// extent plans a file that holds a part of a disk's content.
func (p *planner) extent(path string, d *vmdk.Descriptor, e vmdk.Extent) error {
	if e.File == "" {
		return nil
	}
	file := named(path, d, e.File)
	f, err := openRegular(file)
	if err != nil {
		return fmt.Errorf("extent of %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("extent of %s: %w", path, err)
	}
	if e.Type == "FLAT" || e.Type == "VMFS" {
		if want := (e.Offset + e.Sectors) * vmdk.SectorSize; info.Size() < want {
			if p.export {
				return fmt.Errorf("%s has %d bytes, its descriptor says %d: %w", file, info.Size(), want, vcb.ErrIncomplete)
			}
			p.warn("%s has %d bytes, its descriptor says %d: the disk was damaged before this backup", file, info.Size(), want)
		}
	}
	// The source's own damage is saved as it is; an export can be made again.
	if p.export && (e.Type == "SPARSE" || e.Type == "VMFSSPARSE") {
		if err := vmdk.CheckWhole(f, info.Size()); err != nil {
			return fmt.Errorf("%s: %w: %w", file, err, vcb.ErrIncomplete)
		}
	}
	return p.add(file, format.RoleDisk)
}

// parent follows the hint to a child's parent; where a VM has been moved, the
// parent is looked for beside the child.
func (p *planner) parent(path string, d *vmdk.Descriptor, chain []string) error {
	hint := d.ParentFileNameHint
	if hint == "" {
		return fmt.Errorf("%s is a child, but names no parent", path)
	}
	parent := named(path, d, hint)
	if !exists(parent) {
		base := hint[strings.LastIndexAny(hint, `/\`)+1:]
		if beside := named(path, d, base); exists(beside) {
			p.warn("%s names its parent %s, which is missing; %s is taken", path, hint, beside)
			parent = beside
		}
	}
	if of, err := readDescriptor(parent); err == nil && of.CID != d.ParentCID {
		p.warn("%s expects content ID %08x of its parent %s, which has %08x: the chain was broken before this backup", path, d.ParentCID, parent, of.CID)
	}
	if err := p.disk(parent, chain...); err != nil {
		return fmt.Errorf("parent of %s: %w", path, err)
	}
	return nil
}

// named finds a file that a descriptor names, whose text is in the
// descriptor's charset; on this host the name may be the bytes as they stand.
func named(path string, d *vmdk.Descriptor, name string) string {
	dir := filepath.Dir(path)
	if text, known := vmx.Decode(d.Encoding, name); known && text != name {
		if decoded := resolve(dir, text); exists(decoded) {
			return decoded
		}
	}
	return resolve(dir, name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readDescriptor(path string) (*vmdk.Descriptor, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d, err := vmdk.ReadDescriptor(f, info.Size())
	if errors.Is(err, vmdk.ErrNoDescriptor) {
		return nil, fmt.Errorf("%s is no disk: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}
