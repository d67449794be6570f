package capture

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"granary/repo/format"
)

// folder writes files, given as name and content, and returns its path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "vm")
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// config is a .vmx with the given disks on scsi0.
func config(disks ...string) string {
	text := "displayName = \"web\"\nmsg.autoAnswer = \"TRUE\"\nscsi0.present = \"TRUE\"\n"
	for i, d := range disks {
		text += fmt.Sprintf("scsi0:%d.present = \"TRUE\"\nscsi0:%d.fileName = \"%s\"\n", i, i, d)
	}
	return text
}

// descriptor is a flat disk of one sector, or a child.
func descriptor(extent, parent string) string {
	text := "# Disk DescriptorFile\nversion=1\nCID=00000001\n"
	if parent == "" {
		text += "parentCID=ffffffff\n"
	} else {
		text += "parentCID=00000001\nparentFileNameHint=\"" + parent + "\"\n"
	}
	return text + "createType=\"monolithicFlat\"\nRW 1 FLAT \"" + extent + "\" 0\n"
}

var sector = strings.Repeat("x", 512)

func paths(p *Plan) []string {
	var names []string
	for _, f := range p.Files {
		names = append(names, f.Path)
	}
	return names
}

func TestPlanFollowsDisks(t *testing.T) {
	dir := folder(t, map[string]string{
		"web.vmx": config("child.vmdk"), "child.vmdk": descriptor("child-flat.vmdk", "base.vmdk"), "child-flat.vmdk": sector,
		"base.vmdk": descriptor("base-flat.vmdk", ""), "base-flat.vmdk": sector,
		"side.vmdk": descriptor("side-flat.vmdk", "base.vmdk"), "side-flat.vmdk": sector,
		"web.vmsd":  "snapshot0.disk0.fileName = \"base.vmdk\"\nsnapshot1.disk0.fileName = \"side.vmdk\"\n",
		"web.nvram": "n", "vmware.log": "l", "web.vswp": "no", "unused.vmdk": "no", "web.vmx.lck/x": "no",
	})
	p, err := NewPlan(filepath.Join(dir, "web.vmx"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"base-flat.vmdk", "base.vmdk", "child-flat.vmdk", "child.vmdk", "side-flat.vmdk", "side.vmdk", "vmware.log", "web.nvram", "web.vmsd", "web.vmx"}
	if got := paths(p); !slices.Equal(got, want) {
		t.Errorf("planned %q, want %q", got, want)
	}
	if len(p.Warnings) > 0 {
		t.Errorf("warned of %q", p.Warnings)
	}
}

// The memory of a guest that runs changes all the time; that of a saved state is
// captured with it.
func TestPlanLeavesLiveMemory(t *testing.T) {
	dir := folder(t, map[string]string{
		"web.vmx": config("web.vmdk"), "web.vmdk": descriptor("web-flat.vmdk", ""), "web-flat.vmdk": sector,
		"564d-1.vmem": "live", "web.vmem": "live", "web-Snapshot1.vmem": "saved", "web-Snapshot1.vmsn": "s", "564d-2.VMEM": "saved", "564d-2.vmss": "s",
	})
	p, err := NewPlan(filepath.Join(dir, "web.vmx"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"564d-2.VMEM", "564d-2.vmss", "web-Snapshot1.vmem", "web-Snapshot1.vmsn", "web-flat.vmdk", "web.vmdk", "web.vmx"}
	if got := paths(p); !slices.Equal(got, want) {
		t.Errorf("planned %q, want %q", got, want)
	}
}

// A file that the operator named belongs to the VM once, wherever it lies.
func TestPlanTakesFilesAlong(t *testing.T) {
	dir := folder(t, map[string]string{
		"web.vmx": config("web.vmdk"), "web.vmdk": descriptor("web-flat.vmdk", ""), "web-flat.vmdk": sector, "near.vmtm": "t", "../far.vmtm": "t",
	})
	far := filepath.Join(filepath.Dir(dir), "far.vmtm")
	for also, want := range map[string]string{filepath.Join(dir, "near.vmtm"): "near.vmtm", far: externalDir + filepath.ToSlash(far)} {
		p, err := NewPlan(filepath.Join(dir, "web.vmx"), also)
		if err != nil {
			t.Fatal(err)
		}
		if got := paths(p); !slices.Contains(got, want) || len(got) > 5 || !slices.IsSorted(got) {
			t.Errorf("planned %q, want %s among them", got, want)
		}
	}
}

// A disk outside of the VM's folder, however it is named, lands below
// external/ with its path, and nowhere else.
func TestPlanKeepsOutsidersInside(t *testing.T) {
	dir := folder(t, map[string]string{"../other/data.vmdk": descriptor("../secret/passwd", ""), "../secret/passwd": sector})
	outside := filepath.Dir(dir)
	for name, disk := range map[string]string{"relative": "../other/data.vmdk", "absolute": filepath.Join(outside, "other/data.vmdk"), "winding": "../vm/../other/./data.vmdk"} {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			vmx := filepath.Join(dir, "web.vmx")
			if err := os.WriteFile(vmx, []byte(config(disk)), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := NewPlan(vmx)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"external" + outside + "/other/data.vmdk", "external" + outside + "/secret/passwd", "web.vmx"}
			if got := paths(p); !slices.Equal(got, want) {
				t.Errorf("planned %q, want %q", got, want)
			}
			for _, f := range p.Files {
				if err := format.CheckPath(f.Path); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	good := descriptor("flat", "")
	for name, c := range map[string]struct {
		files map[string]string
		want  error
		text  string
	}{
		"no disks":         {map[string]string{"web.vmx": config()}, ErrNoDisks, "web.vmx"},
		"missing disk":     {map[string]string{"web.vmx": config("a.vmdk")}, ErrMissing, "a.vmdk"},
		"missing extent":   {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": good}, ErrMissing, "flat"},
		"missing parent":   {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", "gone.vmdk"), "flat": sector}, ErrMissing, "gone.vmdk"},
		"own parent":       {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", "a.vmdk"), "flat": sector}, nil, "loop"},
		"raw by type":      {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": strings.Replace(good, "monolithicFlat", "fullDevice", 1)}, ErrRaw, "fullDevice"},
		"raw by extent":    {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("/dev/null", "")}, ErrRaw, "/dev/null"},
		"no descriptor":    {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": sector}, nil, "a.vmdk is no disk"},
		"empty disk":       {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": ""}, nil, "a.vmdk"},
		"binary config":    {map[string]string{"web.vmx": "\x00\x01\x02"}, nil, "web.vmx"},
		"disk is a folder": {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk/x": ""}, nil, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewPlan(filepath.Join(folder(t, c.files), "web.vmx"))
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("NewPlan = %v, want %v naming %q", err, c.want, c.text)
			}
		})
	}
}

func TestPlanWarns(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		text  string
	}{
		"truncated extent": {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", ""), "flat": "short"}, "its descriptor says 512"},
		"broken chain":     {map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", "b.vmdk"), "b.vmdk": strings.Replace(descriptor("flat", ""), "CID=00000001", "CID=0000000f", 1), "flat": sector}, "content ID"},
		"no autoAnswer":    {map[string]string{"web.vmx": strings.Replace(config("a.vmdk"), "msg.autoAnswer", "x", 1), "a.vmdk": descriptor("flat", ""), "flat": sector}, "msg.autoAnswer"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPlan(filepath.Join(folder(t, c.files), "web.vmx"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(p.Warnings, "\n"), c.text) {
				t.Errorf("warnings %q do not speak of %q", p.Warnings, c.text)
			}
		})
	}
}

func TestSafeName(t *testing.T) {
	for display, want := range map[string]string{
		"web server": "web server", "": "file", "..": "file", "a/b\\c": "a_b_c", "line\nbreak": "line_break",
		"\xff\xfe": "_", strings.Repeat("é", 300): strings.Repeat("é", 100), "  ": "file",
	} {
		if got := safeName(display, "file"); got != want || format.CheckVMName(got) != nil {
			t.Errorf("safeName(%q) = %q, want %q", display, got, want)
		}
	}
}
