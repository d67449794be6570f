package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"granary/capture/vcb"
	"granary/repo/format"
)

// NewExportPlan reads what vcbMounter wrote to a folder. It counts as whole only
// with a catalog and every disk that the .vmx names, to its end; else the error
// is vcb.ErrIncomplete, ErrMissing or another. Everything in the folder belongs
// to it.
func NewExportPlan(dir string) (*Plan, error) {
	catalog, err := vcb.ReadCatalog(dir)
	if err != nil {
		return nil, err
	}
	vmxPath, err := FindVMX(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", vcb.ErrIncomplete, err)
	}
	p, err := newPlanner(vmxPath)
	if err != nil {
		return nil, err
	}
	p.plan.Origin, p.export = catalog.VMX(), true
	if err := p.add(vmxPath, format.RoleConfig); err != nil {
		return nil, err
	}
	for _, d := range p.config.Disks() {
		if d.Raw() {
			return nil, fmt.Errorf("disk %s (%s): %w", d.Node, d.FileName, ErrRaw)
		}
		file, err := vcb.DiskFile(dir, catalog, d.Node, d.FileName)
		if err == nil {
			err = p.disk(file)
		}
		if errors.Is(err, vcb.ErrIncomplete) && d.Independent() {
			err = fmt.Errorf("it is independent, so that no snapshot covers it: %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("export of disk %s: %w", d.Node, err)
		}
	}
	if err := p.exported(); err != nil {
		return nil, err
	}
	p.plan.sort()
	return p.plan, p.plan.distinct()
}

// exported plans what else an export holds.
func (p *planner) exported() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		role, known := roles[strings.ToLower(filepath.Ext(e.Name()))]
		switch {
		case e.Name() == "catalog" || e.Name() == "unmount.dat":
			role = format.RoleConfig
		case strings.EqualFold(filepath.Ext(e.Name()), ".vmdk"):
			role = format.RoleDisk
		case !known:
			role = format.RoleOther
		}
		p.plan.Suspended = p.plan.Suspended || strings.EqualFold(filepath.Ext(e.Name()), ".vmss")
		if err := p.add(filepath.Join(p.dir, e.Name()), role); err != nil {
			return err
		}
	}
	state, _ := p.config.Get("checkpoint.vmState") // empty in all but suspended VMs
	p.plan.Stateless = state != "" && !p.plan.Suspended
	return nil
}
