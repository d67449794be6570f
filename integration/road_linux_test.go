package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"granary/integration/lab"
)

// The whole road, for each kind of VM: capture, change, capture; both
// generations are, by any way back, what was captured.
func TestRoad(t *testing.T) {
	kinds := map[string]lab.Spec{
		"snapshot-chain": {Subformat: "monolithicSparse", Chain: 2},
		"external-disk":  {Subformat: "monolithicFlat", Disks: 2, ExternalDisk: "elsewhere"},
	}
	for _, subformat := range lab.Subformats {
		kinds[subformat] = lab.Spec{Subformat: subformat}
	}
	for kind, spec := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if spec.ExternalDisk != "" {
				spec.ExternalDisk = w.path(spec.ExternalDisk)
			}
			vm := w.makeVM(spec)
			var generations []road
			for _, change := range []string{"", "tuesday"} {
				if change != "" {
					if err := lab.ChangeFiles(t.Context(), vm, 0, change, 1<<20); err != nil {
						t.Fatal(err)
					}
				}
				generations = append(generations, w.keep(vm, spec.ExternalDisk))
			}
			mount := w.mount()
			for _, g := range generations {
				mounted := filepath.Join(mount, "web", g.generation)
				w.sameFiles("mounted "+g.generation, w.sumsByOthers(mounted), g.sums)
				w.usable(mounted, g)
				w.waysBack(mounted, g)
			}
			if a, b := generations[0].generation, generations[1].generation; w.tool("readlink", filepath.Join(mount, "web", "latest")) != b+"\n" {
				t.Errorf("latest is not %s, after %s", b, a)
			}
		})
	}
}

// road is a generation, and the VM as it was when it was captured.
type road struct {
	generation string
	sums       map[string]string
	disks      []string // below the generation, the current ones
	kept       string   // a copy of the VM
}

// keep captures a VM that is off, and keeps a copy of it by other means.
func (w *world) keep(vm *lab.VM, external string) road {
	w.Helper()
	c := w.capture("--driver", "files", "--quiesce", "none", vm.VMX)
	g := road{generation: c.Generation, kept: w.path("kept", c.Generation)}
	w.tool("mkdir", "-p", g.kept)
	w.tool("cp", "-a", "--sparse=always", vm.Dir+"/.", g.kept)
	if external != "" {
		to := filepath.Join(g.kept, "external", external)
		w.tool("mkdir", "-p", to)
		w.tool("cp", "-a", "--sparse=always", external+"/.", to)
	}
	g.sums = w.sums(g.kept)
	disks, err := vm.Disks()
	if err != nil {
		w.Fatal(err)
	}
	for _, d := range disks {
		rel, err := filepath.Rel(vm.Dir, d)
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = filepath.Join("external", d)
		}
		g.disks = append(g.disks, rel)
	}
	return g
}

// usable lets other programs use the mounted disks as they stand.
func (w *world) usable(mounted string, g road) {
	w.Helper()
	for _, d := range g.disks {
		disk := filepath.Join(mounted, d)
		// 63: this subformat has nothing to check.
		if o := w.run("qemu-img", "check", "-f", "vmdk", disk); o.status != 0 && o.status != 63 {
			w.Errorf("qemu-img check %s: %s%s", d, o.stdout, o.stderr)
		}
		w.tool("qemu-img", "compare", "-f", "vmdk", "-F", "vmdk", disk, filepath.Join(g.kept, d))
		w.tool("vmlab", "fsck", disk)
	}
	w.loopMount(filepath.Join(mounted, g.disks[0]))
}

// loopMount mounts the file system on a disk, read-only, and lists it.
func (w *world) loopMount(disk string) {
	w.Helper()
	raw, at := w.path("raw"), w.path("inside")
	w.tool("qemu-img", "convert", "-f", "vmdk", "-O", "raw", disk, raw)
	w.tool("mkdir", "-p", at)
	w.asRoot("mount", "-o", "loop,ro,noload", raw, at)
	inside := w.tool("find", at, "-type", "f")
	w.asRoot("umount", at)
	if strings.Count(inside, "\n") == 0 {
		w.Errorf("the file system on %s holds no file", disk)
	}
}

// asRoot runs a program that only root may run.
func (w *world) asRoot(args ...string) {
	w.Helper()
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	w.tool(args[0], args[1:]...)
}

// waysBack brings a generation back by cp, rsync and granary: the same bytes,
// and as sparse as they were.
func (w *world) waysBack(mounted string, g road) {
	w.Helper()
	for name, bring := range map[string]func(to string){
		"cp":      func(to string) { w.tool("cp", "-r", "--sparse=auto", mounted, to) },
		"rsync":   func(to string) { w.tool("rsync", "-r", "-S", mounted+"/", to+"/") },
		"restore": func(to string) { w.must("restore", "web@"+g.generation, "--to", to) },
	} {
		to := w.path("back", g.generation, name)
		w.tool("mkdir", "-p", filepath.Dir(to))
		bring(to)
		w.sameFiles(name, w.sums(to), g.sums)
		// Grains are coarser than the blocks of the copy.
		if got, want := w.allocated(to), w.allocated(g.kept); got > want*2+4<<20 {
			w.Errorf("%s: %d bytes on disk, the VM had %d", name, got, want)
		}
		w.onePointInTimeOf(to, g.disks)
	}
}

func (w *world) onePointInTimeOf(dir string, disks []string) {
	w.Helper()
	args := []string{"verify"}
	for _, d := range disks {
		args = append(args, filepath.Join(dir, d))
	}
	w.tool("vmlab", args...)
}

// allocated is what files take on disk, in bytes.
func (w *world) allocated(dir string) (bytes int64) {
	w.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return bytes
}

// flatVM makes a VM around one flat disk of the given size, which fill writes.
func (w *world) flatVM(name string, size int64, fill func(*os.File) error) string {
	w.Helper()
	dir := w.path("vms", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.Fatal(err)
	}
	disk, err := os.Create(filepath.Join(dir, name+"-flat.vmdk"))
	if err == nil {
		err = errors.Join(disk.Truncate(size), fill(disk), disk.Close())
	}
	if err != nil {
		w.Fatal(err)
	}
	for file, text := range map[string]string{
		name + ".vmdk": fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=0000beef\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW %d FLAT \"%s-flat.vmdk\" 0\n", size/512, name),
		name + ".vmx":  fmt.Sprintf("displayName = %q\nmsg.autoAnswer = \"TRUE\"\nscsi0.present = \"TRUE\"\nscsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"%s.vmdk\"\n", name, name),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			w.Fatal(err)
		}
	}
	return dir
}
