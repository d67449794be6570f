package vcb

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// folder is a directory with the files named.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDiskFile(t *testing.T) {
	t.Parallel()
	named := func(value string) Catalog { return Catalog{[]pair{{"disk.scsi0:1.filename", value}}} }
	for _, c := range []struct {
		name     string
		files    []string
		catalog  Catalog
		fileName string
		want     string // empty: ErrIncomplete
	}{
		{"by the catalog", []string{"any.vmdk", "web.vmdk"}, named("any.vmdk"), "web.vmdk", "any.vmdk"},
		{"by the catalog's path", []string{"any.vmdk"}, named("[storage 1] web/any.vmdk"), "web.vmdk", "any.vmdk"},
		{"by its own name", []string{"web.vmdk", "scsi0-1-0-web.vmdk"}, Catalog{}, "web.vmdk", "web.vmdk"},
		{"by a path's name", []string{"web.vmdk"}, Catalog{}, "/vmfs/volumes/a/web.vmdk", "web.vmdk"},
		{"by a Windows path's name", []string{"web.vmdk"}, Catalog{}, `D:\vms\web.vmdk`, "web.vmdk"},
		{"by the node", []string{"scsi0-1-0-web.vmdk", "scsi0-0-0-web.vmdk", "scsi0-1-0-web-s001.vmdk"}, named("gone.vmdk"), "web.vmdk", "scsi0-1-0-web.vmdk"},
		{"with strange letters", []string{"scsi0-1-0-; rm *ü[a].vmdk"}, Catalog{}, "; rm *ü[a].vmdk", "scsi0-1-0-; rm *ü[a].vmdk"},
		{"missing", []string{"scsi0-0-0-web.vmdk", "scsi0-1-x-web.vmdk", "scsi0-1--web.vmdk", "scsi0-1-web.vmdk"}, Catalog{}, "web.vmdk", ""},
		{"only another's end", []string{"scsi0-1-0-my-web.vmdk"}, Catalog{}, "web.vmdk", ""},
		{"ambiguous", []string{"scsi0-1-0-web.vmdk", "scsi0-1-1-web.vmdk"}, Catalog{}, "web.vmdk", ""},
		{"nameless", []string{"scsi0-1-0-web.vmdk"}, named(".."), "a/..", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, c.files...)
			got, err := DiskFile(dir, c.catalog, "scsi0:1", c.fileName)
			if c.want == "" {
				if !errors.Is(err, ErrIncomplete) {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if err != nil || got != filepath.Join(dir, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}

// What the catalog and the .vmx say does not lead out of the export.
func TestDiskFileStaysInside(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	outside := filepath.Join(filepath.Dir(dir), "secret.vmdk")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "scsi0-0-0-secret.vmdk")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{outside, "../secret.vmdk", "scsi0-0-0-secret.vmdk", `..\secret.vmdk`} {
		catalog := Catalog{[]pair{{"disk.scsi0:0.filename", name}}}
		if got, err := DiskFile(dir, catalog, "scsi0:0", name); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{
		"a whole export":  {"catalog", "unmount.dat", "web.vmx", "web.nvram", "vmware.log", "scsi0-0-0-web.vmdk", "anything else"},
		"a part of one":   {"unmount.dat", "scsi0-0-0-web.vmdk"},
		"without marks":   {"scsi0-0-0-web.vmdk", "scsi0-0-0-web-s001.VMDK", "web.vmx"},
		"hostile names":   {"catalog", "; rm -rf ~", "-r", "new\nline", "caf\xe9.vmdk"},
		"an empty folder": nil,
	} {
		dir := folder(t, files...)
		if err := Remove(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
		if err := Remove(dir); err != nil {
			t.Errorf("%s, again: %v", name, err)
		}
	}
}

// Links are removed, never followed.
func TestRemoveStaysInside(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	kept := filepath.Join(home, "kept")
	if err := os.WriteFile(kept, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := folder(t, "catalog")
	for name, target := range map[string]string{"file": kept, "folder": home} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(home, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Remove(link); !errors.Is(err, ErrNotExport) {
		t.Errorf("a link to an export: %v", err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(kept); err != nil || string(data) != "x" {
		t.Errorf("behind the link: %q, %v", data, err)
	}
}

func TestRemoveRefuses(t *testing.T) {
	t.Parallel()
	nested := folder(t, "catalog", "web.vmdk")
	if err := os.Mkdir(filepath.Join(nested, "letters"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{
		"a folder in it": nested,
		"strange files":  folder(t, "web.vmdk", "thesis.odt"),
		"a file":         filepath.Join(folder(t, "web.vmdk"), "web.vmdk"),
	} {
		if err := Remove(dir); !errors.Is(err, ErrNotExport) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	entries, err := os.ReadDir(nested)
	if err != nil || !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == "web.vmdk" }) {
		t.Errorf("emptied: %v, %v", entries, err)
	}
}
