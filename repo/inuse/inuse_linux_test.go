package inuse

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocks(t *testing.T) {
	for what, c := range map[string]struct {
		lock string // made beside the file, a folder if it ends so
		want string // what is named, after the file's name
	}{
		"none":                     {},
		"a running VM":             {"disk.vmdk.lck/M12345.lck", ".lck/M12345.lck"},
		"one that waits":           {"disk.vmdk.lck/E12345.lck", ".lck/E12345.lck"},
		"an old product":           {"disk.vmdk.lck", ".lck"},
		"an empty folder":          {"disk.vmdk.lck/", ""},
		"what is no lock":          {"disk.vmdk.lck/M12345.lck.tmp", ""},
		"the lock of another file": {"other.vmdk.lck/M12345.lck", ""},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if folder, file := filepath.Split(filepath.Join(dir, c.lock)); c.lock != "" {
				if strings.HasSuffix(c.lock, "/") {
					folder, file = filepath.Join(dir, c.lock), ""
				}
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
				if file != "" {
					if err := os.WriteFile(filepath.Join(folder, file), nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for in, name := range map[Folder]string{root: "disk.vmdk", Host{}: filepath.Join(dir, "disk.vmdk")} {
				want := c.want
				if want != "" {
					want = name + want
				}
				if got, err := LockOf(in, name); got != want || err != nil {
					t.Errorf("%s is locked by %q, %v, want %q", name, got, err, want)
				}
			}
		})
	}
}

func TestOpenForWriting(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.vmdk")
	writer, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if open, err := ForWriting(reader); !open || err != nil {
		t.Errorf("a file that is being written: %v, %v", open, err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if open, err := ForWriting(reader); open || err != nil {
		t.Errorf("a file that nobody writes: %v, %v", open, err)
	}
}
