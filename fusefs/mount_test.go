//go:build linux

package fusefs_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"granary/fusefs"
	"granary/repo/format"
)

const (
	first  = "2026-11-23T041500Z"
	second = "2026-11-24T041500Z"
	third  = "2026-11-25T041500Z"

	hostileName = "external/srv/a\nb/\xff\xfe.log"
)

func TestShowsGenerations(t *testing.T) {
	r, _ := newRepo(t, nil)
	config, disk := []byte("displayName = \"web\"\n"), sample(1, 3*mib+17)
	changed := bytes.Clone(disk)
	changed[mib] ^= 1
	commit(t, r, "web", first, data("web.vmx", config), data("web.vmdk", disk), data("external/srv/disks/data.vmdk", disk[:5]))
	commit(t, r, "web", second, data("web.vmx", config), data("web.vmdk", changed), data(hostileName, nil))
	commit(t, r, "latest", third, data("a", config))
	point, _ := mounted(t, r, nil)

	got := map[string]string{}
	for _, e := range must[[]treeEntry](t, "tree", point) {
		path, err := strconv.Unquote(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		got[path] = fmt.Sprintf("%o %s", e.Mode, e.Target+e.SHA256)
	}
	file := func(b []byte) string { return "100444 " + digest(b) }
	const folder = "40555 "
	want := map[string]string{
		"web":                                            folder,
		"web/latest":                                     "120777 " + second,
		"web/" + first:                                   folder,
		"web/" + first + "/web.vmx":                      file(config),
		"web/" + first + "/web.vmdk":                     file(disk),
		"web/" + first + "/external":                     folder,
		"web/" + first + "/external/srv":                 folder,
		"web/" + first + "/external/srv/disks":           folder,
		"web/" + first + "/external/srv/disks/data.vmdk": file(disk[:5]),
		"web/" + second:                                  folder,
		"web/" + second + "/web.vmx":                     file(config),
		"web/" + second + "/web.vmdk":                    file(changed),
		"web/" + second + "/external":                    folder,
		"web/" + second + "/external/srv":                folder,
		"web/" + second + "/external/srv/a\nb":           folder,
		"web/" + second + "/" + hostileName:              file(nil),
		"latest":                                         folder,
		"latest/latest":                                  "120777 " + third,
		"latest/" + third:                                folder,
		"latest/" + third + "/a":                         file(config),
	}
	if !maps.Equal(got, want) {
		for path := range maps.Keys(want) {
			if got[path] != want[path] {
				t.Errorf("%q is %q, want %q", path, got[path], want[path])
			}
		}
		t.Errorf("the tree has %d entries, want %d", len(got), len(want))
	}
}

// Other programs agree, through the link too.
func TestOtherPrograms(t *testing.T) {
	r, _ := newRepo(t, nil)
	disk := sample(1, 3*mib+17)
	commit(t, r, "web", first, data("web.vmdk", disk[1:]), data("web.vmx", nil))
	commit(t, r, "web", second, data("web.vmdk", disk))
	point, _ := mounted(t, r, nil)
	if out := run(t, "sha256sum", point+"/web/latest/web.vmdk"); !strings.HasPrefix(out, digest(disk)) {
		t.Errorf("sha256sum says %s", out)
	}
	if out := run(t, "find", point, "-type", "f"); strings.Count(out, "web.vmdk") != 2 {
		t.Errorf("find finds %s", out)
	}
	for _, path := range []string{"nothing", "web/2026", "web/" + first + "/nothing", "web/" + first + "/web.vmx/x", "web/latest/web.vmx2"} {
		if err := ask(t, nil, "stat", filepath.Join(point, path)); err != syscall.ENOENT && err != syscall.ENOTDIR {
			t.Errorf("stat of %s: %v", path, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	r, _ := newRepo(t, nil)
	disk := &sparse{size: 10 * mib, ranges: map[int64][]byte{0: sample(1, 100), 5 * mib: sample(2, 65536)}}
	commit(t, r, "web", first, data("a", []byte("x")))
	commit(t, r, "web", second, input{"disk", disk, 0o640}, input{"secret", bytes.NewReader(nil), 0o4600},
		data("sub/one/f", nil), data("sub/two/f", nil), input{"strange", bytes.NewReader([]byte("123")), 0o222})
	point, _ := mounted(t, r, nil)
	frozen, err := time.Parse(format.GenerationTime, second)
	if err != nil {
		t.Fatal(err)
	}
	generation := "web/" + second
	for path, want := range map[string]statAnswer{
		"":                        {Mode: unix.S_IFDIR | 0o555, Nlink: 3, Modified: frozen.Unix()},
		"web":                     {Mode: unix.S_IFDIR | 0o555, Nlink: 4, Modified: frozen.Unix()},
		"web/latest":              {Mode: unix.S_IFLNK | 0o777, Nlink: 1, Modified: frozen.Unix(), Size: int64(len(second))},
		generation:                {Mode: unix.S_IFDIR | 0o555, Nlink: 3, Modified: frozen.Unix()},
		generation + "/sub":       {Mode: unix.S_IFDIR | 0o555, Nlink: 4, Modified: frozen.Unix()},
		generation + "/sub/one":   {Mode: unix.S_IFDIR | 0o555, Nlink: 2, Modified: frozen.Unix()},
		generation + "/disk":      {Mode: unix.S_IFREG | 0o440, Size: 10 * mib, Blocks: 2 * 128},
		generation + "/secret":    {Mode: unix.S_IFREG | 0o400},
		generation + "/strange":   {Mode: unix.S_IFREG | 0o400, Size: 3, Blocks: 1},
		generation + "/sub/two/f": {Mode: unix.S_IFREG | 0o444},
	} {
		got := must[statAnswer](t, "stat", filepath.Join(point, path))
		want.UID, want.GID, want.Ino, want.Blksize = uint32(os.Getuid()), uint32(os.Getgid()), got.Ino, got.Blksize
		if want.Mode&unix.S_IFMT == unix.S_IFREG {
			want.Nlink, want.Modified, want.ModifiedNsec = 1, modTime.Unix(), 89
			if got.Blksize != mib {
				t.Errorf("%s: advises to read %d bytes", path, got.Blksize)
			}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	var s unix.Statfs_t
	if err := ask(t, &s, "statfs", point+"/web/"+first); err != nil {
		t.Fatal(err)
	}
	stats, err := r.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := int64(s.Blocks) * s.Frsize
	if total < stats.StoredBytes || total > stats.StoredBytes+s.Frsize || s.Bfree != 0 || s.Bavail != 0 ||
		s.Files != 6 || s.Ffree != 0 || s.Bsize != 65536 || s.Namelen != 255 || s.Flags&unix.ST_RDONLY == 0 {
		t.Errorf("statfs = %+v for %+v", s, stats)
	}
}

func TestExtendedAttributes(t *testing.T) {
	r, _ := newRepo(t, nil)
	g := commit(t, r, "web", first, data("disk.vmdk", sample(1, 100_000)), data("external/f", nil))
	point, _ := mounted(t, r, nil)
	folder := filepath.Join(point, "web", first)
	common := map[string]string{"user.granary.vm": "web", "user.granary.session": g.Session.String(),
		"user.granary.frozen": "2026-11-23T04:15:00Z", "user.granary.consistency": "clean"}
	ofFolder := maps.Clone(common)
	ofFolder["user.granary.fact.driver"] = "files"
	ofFile := maps.Clone(common)
	ofFile["user.granary.root"], ofFile["user.granary.source"] = g.File("disk.vmdk").Root.String(), "/vm/disk.vmdk"

	type value struct {
		Size  int
		Value string
	}
	for path, want := range map[string]map[string]string{folder: ofFolder, folder + "/external": ofFolder, folder + "/disk.vmdk": ofFile} {
		if names := must[[]string](t, "listxattr", path, "65536"); !slices.Equal(names, slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s has %q", path, names)
		}
		if err := ask(t, nil, "listxattr", path, "5"); err != syscall.ERANGE {
			t.Errorf("%s: list in 5 bytes: %v", path, err)
		}
		for name, text := range want {
			if got := must[value](t, "getxattr", path, name, "1000"); got != (value{len(text), text}) {
				t.Errorf("%s of %s = %+v, want %q", name, path, got, text)
			}
		}
	}
	if got := must[value](t, "getxattr", folder, "user.granary.vm", "0"); got != (value{3, ""}) {
		t.Errorf("the size of a value is %+v", got)
	}
	if err := ask(t, nil, "getxattr", folder, "user.granary.vm", "2"); err != syscall.ERANGE {
		t.Errorf("a value in 2 bytes: %v", err)
	}
	for path, name := range map[string]string{folder: "user.granary.root", folder + "/disk.vmdk": "user.other", point: "user.granary.vm"} {
		if err := ask(t, nil, "getxattr", path, name, "100"); err != syscall.ENODATA {
			t.Errorf("%s of %s: %v", name, path, err)
		}
	}
	if out := run(t, "getfattr", "--absolute-names", "--only-values", "-n", "user.granary.root", folder+"/disk.vmdk"); out != ofFile["user.granary.root"] {
		t.Errorf("getfattr says %q", out)
	}
}

// Inode numbers last over mounts, differ, and are the same in lists of entries.
func TestStableInodes(t *testing.T) {
	r, _ := newRepo(t, nil)
	for _, at := range []string{first, second} {
		commit(t, r, "web", at, data("same", []byte("same")), data("sub/same", []byte("same")), data(hostileName, nil))
	}
	commit(t, r, "db", first, data("same", []byte("same")))
	var inodes [2]map[string]uint64
	for i := range inodes {
		point, s := mounted(t, r, nil)
		inodes[i] = inodesOf(t, point)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(inodes[0], inodes[1]) {
		t.Errorf("inode numbers changed from %v to %v", inodes[0], inodes[1])
	}
	seen := map[uint64]string{}
	for path, ino := range inodes[0] {
		if other, taken := seen[ino]; taken || ino == 0 || ino > math.MaxInt64 {
			t.Errorf("%q has number %d, as %q", path, ino, other)
		}
		seen[ino] = path
	}
}

// inodesOf gives the inode numbers of a mount by path, and checks that its
// folders list the same.
func inodesOf(t *testing.T, point string) map[string]uint64 {
	t.Helper()
	inodes := map[string]uint64{".": must[statAnswer](t, "stat", point).Ino}
	folders, places := []string{"."}, []string{point}
	for _, e := range must[[]treeEntry](t, "tree", point) {
		path, err := strconv.Unquote(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		inodes[path] = e.Ino
		if e.Mode&unix.S_IFMT == unix.S_IFDIR {
			folders, places = append(folders, path), append(places, filepath.Join(point, path))
		}
	}
	for i, entries := range must[[]map[string]uint64](t, "entries", places...) {
		for quoted, got := range entries {
			name, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folders[i], name)
			if folders[i] == "." && name == ".." {
				path = "." // nobody sees it: the kernel shows what is above the mount
			}
			if want := inodes[path]; got != want {
				t.Errorf("%q in %q is %d in its folder, %d by stat", name, folders[i], got, want)
			}
		}
		if entries[`"."`] == 0 || entries[`".."`] == 0 {
			t.Errorf("%q has no dots", folders[i])
		}
	}
	return inodes
}

func TestNothingCanBeWritten(t *testing.T) {
	r, _ := newRepo(t, nil)
	commit(t, r, "web", first, data("disk", sample(1, 1000)))
	point, _ := mounted(t, r, nil)
	folder := filepath.Join(point, "web", first)
	for what, errno := range must[map[string]syscall.Errno](t, "write", folder, folder+"/disk") {
		if errno != syscall.EROFS {
			t.Errorf("%s: %v", what, errno)
		}
	}
}

// As other users than root mount.
func TestMountsThroughFusermount(t *testing.T) {
	r, _ := newRepo(t, nil)
	disk := sample(1, 2*mib)
	commit(t, r, "web", first, data("disk", disk))
	point := t.TempDir()
	s, err := fusefs.MountByFusermount(t.Context(), r, point, nil)
	if err != nil {
		t.Fatal(err)
	}
	endAfter(t, s)
	if got := must[[]byte](t, "read", filepath.Join(point, "web/latest/disk"), "0", fmt.Sprint(3*mib)); !bytes.Equal(got, disk) {
		t.Error("other bytes")
	}
	if errno := must[map[string]syscall.Errno](t, "write", point, point+"/web/latest/disk")["create"]; errno != syscall.EROFS {
		t.Errorf("create: %v", errno)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(point); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// Other users get in only if they are let in, and then see what modes allow.
func TestAllowOther(t *testing.T) {
	r, _ := newRepo(t, nil)
	commit(t, r, "web", first, data("open", []byte("open")), input{"closed", bytes.NewReader([]byte("closed")), 0o640})
	if os.Geteuid() != 0 {
		// fusermount3 asks the administrator's configuration.
		if s, err := fusefs.Mount(t.Context(), r, t.TempDir(), &fusefs.Options{AllowOther: true}); s != nil {
			endAfter(t, s)
		} else if !errors.Is(err, fusefs.ErrNoFUSE) || !strings.Contains(err.Error(), "user_allow_other") {
			t.Error(err)
		}
		return
	}
	asNobody := func(args ...string) (string, error) {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	point, _ := mounted(t, r, nil)
	if err := os.Chmod(filepath.Dir(filepath.Dir(point)), 0o755); err != nil { // all temporary folders of the test
		t.Fatal(err)
	}
	if out, err := asNobody("cat", point+"/web/latest/open"); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("not let in: %s, %v", out, err)
	}
	point, _ = mounted(t, r, &fusefs.Options{AllowOther: true})
	if out, err := asNobody("cat", point+"/web/latest/open"); out != "open" || err != nil {
		t.Errorf("let in: %s, %v", out, err)
	}
	if out, err := asNobody("cat", point+"/web/latest/closed"); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("a closed file: %s, %v", out, err)
	}
}
