package vmdk

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// qemuImg runs qemu-img, an independent writer of the format. It is a tool
// that the tests need, so its absence is a failure.
func qemuImg(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("qemu-img", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
	}
}

func readFile(t *testing.T, path string) (*Descriptor, *os.File) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	d, err := ReadDescriptor(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return d, f
}

// TestQEMU reads each kind of disk that qemu-img makes: descriptor, every
// extent that it names, and a child.
func TestQEMU(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{
		"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized",
	} {
		t.Run(kind, func(t *testing.T) {
			name := "my " + kind + ".vmdk"
			qemuImg(t, dir, "create", "-q", "-f", "vmdk", "-o", "subformat="+kind, name, "3G")
			d, _ := readFile(t, filepath.Join(dir, name))
			if d.CreateType != kind || d.Capacity() != 3<<30 || d.HasParent() || d.Device() {
				t.Errorf("%+v", d)
			}
			checkExtents(t, dir, d)
		})
	}

	qemuImg(t, dir, "create", "-q", "-f", "vmdk", "-b", "my monolithicSparse.vmdk", "-F", "vmdk", "child.vmdk")
	parent, _ := readFile(t, filepath.Join(dir, "my monolithicSparse.vmdk"))
	child, _ := readFile(t, filepath.Join(dir, "child.vmdk"))
	if !child.HasParent() || child.ParentCID != parent.CID || child.ParentFileNameHint != "my monolithicSparse.vmdk" {
		t.Errorf("child %+v of %+v", child, parent)
	}
}

// checkExtents holds what the descriptor says of each extent against the file.
func checkExtents(t *testing.T, dir string, d *Descriptor) {
	for _, e := range d.Extents {
		f, err := os.Open(filepath.Join(dir, e.File))
		if err != nil {
			t.Error(err)
			continue
		}
		defer f.Close()
		switch e.Type {
		case "SPARSE":
			b := make([]byte, 512)
			if _, err := io.ReadFull(f, b); err != nil {
				t.Error(err)
			}
			h, err := ParseSparseHeader(b)
			if err != nil {
				t.Error(err)
			} else if h.Capacity != e.Sectors || h.GrainSize != 128 || h.GTEsPerGT != 512 {
				t.Errorf("extent %+v with header %+v", e, h)
			}
		case "FLAT":
			if info, err := f.Stat(); err != nil || info.Size() < e.Sectors*SectorSize {
				t.Errorf("extent %+v: %v, error %v", e, info, err)
			}
		default:
			t.Errorf("extent %+v", e)
		}
	}
}
