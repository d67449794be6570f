package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// restorable is a generation of some files, among them a sparse disk.
func restorable(t *testing.T, r *repo.Repo) (*repo.Generation, map[string][]byte) {
	t.Helper()
	disk := make([]byte, 3*mib)
	copy(disk[mib:], sample(1, 100*kib))
	contents := map[string][]byte{
		"external/other/disk.vmdk": sample(2, 70*kib),
		"web-flat.vmdk":            disk,
		"web.log":                  nil,
		"web.vmx":                  []byte("displayName = \"web\"\n"),
	}
	w, err := r.NewWriter(t.Context(), "test", "test")
	if err != nil {
		t.Fatal(err)
	}
	m := &format.Manifest{VM: "web", Frozen: time.Now().UnixNano(), Consistency: format.Clean}
	for i, path := range []string{"external/other/disk.vmdk", "web-flat.vmdk", "web.log", "web.vmx"} {
		f, err := w.Add(t.Context(), repo.Input{
			File:    format.File{Path: path, Role: format.RoleOther, Mode: 0o640, Size: int64(len(contents[path])), ModTime: 1_600_000_000_123_456_789 + int64(i)*1e9},
			Content: bytes.NewReader(contents[path]),
		})
		if err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, f)
	}
	g, err := w.Commit(t.Context(), m)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return g, contents
}

// tree lists the files and folders below dir.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, _ fs.DirEntry, err error) error {
		if path != "." {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRestoreBringsBackAll(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, contents := restorable(t, r)
	dir := filepath.Join(t.TempDir(), "a", "b")
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(tree(t, dir)), "[external external/other external/other/disk.vmdk web-flat.vmdk web.log web.vmx]"; got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
	for _, f := range g.Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		if !bytes.Equal(readFile(t, name), contents[f.Path]) {
			t.Errorf("%s has other bytes", f.Path)
		}
		info, err := os.Stat(name)
		if err != nil || info.ModTime().UnixNano() != f.ModTime || info.Mode().Perm() != 0o640 {
			t.Errorf("%s is of %v and %v, %v; want %v and 0640", f.Path, info.ModTime(), info.Mode(), err, time.Unix(0, f.ModTime))
		}
	}
}

func TestRestoreOfSomeFiles(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, contents := restorable(t, r)
	dir := t.TempDir()
	var done int64
	report := func(n int64) { done += n } // one batch: no other goroutine
	if _, err := r.Restore(t.Context(), g, []string{"web.vmx"}, dir, repo.RestoreOptions{Progress: report}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tree(t, dir)); got != "[web.vmx]" || done != int64(len(contents["web.vmx"])) {
		t.Errorf("restored %s, %d bytes", got, done)
	}
	for _, path := range []string{"web", "external", "../web.vmx", ""} {
		if _, err := r.Restore(t.Context(), g, []string{path}, dir, repo.RestoreOptions{}); !errors.Is(err, repo.ErrNotFound) {
			t.Errorf("Restore of %q = %v", path, err)
		}
	}
}

// A file that exists is left alone, and nothing else is written either.
func TestRestoreRefusesExistingFiles(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, contents := restorable(t, r)
	for what, occupy := range map[string]func(name string) error{
		"a file":            func(name string) error { return os.WriteFile(name, []byte("precious"), 0o600) },
		"a folder":          func(name string) error { return os.Mkdir(name, 0o700) },
		"a link to nowhere": func(name string) error { return os.Symlink("nowhere", name) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			if err := occupy(filepath.Join(dir, "web.vmx")); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{}); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Restore = %v", err)
			}
			if got := fmt.Sprint(tree(t, dir)); got != "[web.vmx]" {
				t.Errorf("there is %s", got)
			}
		})
	}
	dir := t.TempDir()
	vmx := filepath.Join(dir, "web.vmx")
	writeFile(t, vmx, []byte("old"))
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readFile(t, vmx), contents["web.vmx"]) {
		t.Error("forced, and yet the old bytes are there")
	}
}

// Nothing is written outside of the target, wherever links inside it lead.
func TestRestoreDoesNotFollowLinksOutside(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, _ := restorable(t, r)
	for what, target := range map[string]func(outside string) string{
		"absolute": func(outside string) string { return outside },
		"relative": func(outside string) string { return filepath.Join("..", filepath.Base(outside)) },
	} {
		for _, force := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, force %t", what, force), func(t *testing.T) {
				base := t.TempDir()
				dir, outside := filepath.Join(base, "target"), filepath.Join(base, "outside")
				for _, d := range []string{dir, outside, filepath.Join(outside, "other")} {
					if err := os.Mkdir(d, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Symlink(target(outside), filepath.Join(dir, "external")); err != nil {
					t.Fatal(err)
				}
				if _, err := r.Restore(t.Context(), g, []string{"external/other/disk.vmdk"}, dir, repo.RestoreOptions{Force: force}); err == nil {
					t.Error("Restore through a link that leads outside succeeds")
				}
				if got := fmt.Sprint(tree(t, outside)); got != "[other]" {
					t.Errorf("outside there is %s", got)
				}
			})
		}
	}
	t.Run("a file that is a link", func(t *testing.T) {
		base := t.TempDir()
		dir, outside := filepath.Join(base, "target"), filepath.Join(base, "precious")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, outside, []byte("precious"))
		if err := os.Symlink(outside, filepath.Join(dir, "web.vmx")); err != nil {
			t.Fatal(err)
		}
		// Forced, the link itself is replaced.
		if _, err := r.Restore(t.Context(), g, []string{"web.vmx"}, dir, repo.RestoreOptions{Force: true}); err != nil {
			t.Error(err)
		}
		if string(readFile(t, outside)) != "precious" {
			t.Error("the link's target was written to")
		}
	})
}

func TestCancelledRestoreLeavesNoFile(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	g := mustStore(t, r, sample(1, 8*mib), nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	_, err := r.Restore(ctx, g, nil, dir, repo.RestoreOptions{Progress: func(int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Restore = %v", err)
	}
	if left := tree(t, dir); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestRestoreOfDamageLeavesNoFile(t *testing.T) {
	dir := smallRepo(t)
	g, contents := restorable(t, openRepo(t, dir, nil))
	file := packFile(dir, g, packOf(t, g, format.Data).Number)
	b := readFile(t, file)
	// The first grain, which is that of the first file.
	b[format.PackHeaderSize+50] ^= 1
	writeFile(t, file, b)
	r := openRepo(t, dir, nil)
	for _, paths := range [][]string{{"external/other/disk.vmdk"}, {"web.vmx", "external/other/disk.vmdk", "web-flat.vmdk"}} {
		target := t.TempDir()
		var d *repo.DamageError
		if _, err := r.Restore(t.Context(), g, paths, target, repo.RestoreOptions{}); !errors.As(err, &d) || d.File != "external/other/disk.vmdk" {
			t.Errorf("Restore = %v", err)
		}
		for _, path := range tree(t, target) {
			switch path {
			case "external", "external/other":
			case "web.vmx", "web-flat.vmdk": // before and behind the damaged one
				if !bytes.Equal(readFile(t, filepath.Join(target, path)), contents[path]) {
					t.Errorf("%s has other bytes", path)
				}
			default:
				t.Errorf("%s is left", path)
			}
		}
	}
	target := t.TempDir()
	writeFile(t, filepath.Join(target, "precious"), []byte("x"))
	if _, err := r.Restore(t.Context(), g, []string{"web-flat.vmdk", "web.vmx", "web.log"}, target, repo.RestoreOptions{}); err != nil {
		t.Errorf("Restore of whole files beside a damaged one: %v", err)
	}
}
