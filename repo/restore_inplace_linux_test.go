package repo_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"granary/repo"
)

func statOf(t *testing.T, name string) *syscall.Stat_t {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t)
}

// Where the generation has a hole the disk gets one, and room comes back.
func TestInPlacePunchesHoles(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	dir := t.TempDir()
	name := filepath.Join(dir, "disk.vmdk")
	writeFile(t, name, sample(8, len(disk)))
	before := statOf(t, name)
	report, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
	if err != nil || report.PunchedBytes != 6*mib-grain {
		t.Errorf("%+v, %v", report, err)
	}
	after := statOf(t, name)
	if freed := (before.Blocks - after.Blocks) * 512; freed < report.PunchedBytes {
		t.Errorf("%d bytes came back of %d", freed, report.PunchedBytes)
	}
	if after.Ino != before.Ino || !bytes.Equal(readFile(t, name), disk) {
		t.Error("it is another file, or has other bytes")
	}
}

// An equal file is not touched, not even its times: a next capture need not read
// it. Holes of it are not read.
func TestInPlaceLeavesEqualFilesAlone(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	dir := t.TempDir()
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "disk.vmdk")
	before := statOf(t, name)
	report, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
	if err != nil || report.DifferentBytes != 0 || report.WrittenBytes != 0 || report.PunchedBytes != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if report.ReadBytes > int64(len(disk)-5*mib) {
		t.Errorf("%d bytes of a file with a hole of 6 MiB were read", report.ReadBytes)
	}
	if after := statOf(t, name); after.Ctim != before.Ctim || after.Mtim != before.Mtim {
		t.Error("its times have changed")
	}
}

// A process that has a disk open for writing is a VM that runs, whether it holds
// locks or not.
func TestInPlaceRefusesWhatIsOpenForWriting(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	g := storeDisk(t, r, guestDisk(), nil)
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "disk.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true}); !errors.Is(err, repo.ErrInUse) {
		t.Errorf("Restore of an open disk = %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true}); err != nil {
		t.Errorf("Restore of a closed disk = %v", err)
	}
}

// A file that its owner protected is rewritten by whom the system lets: root.
func TestInPlaceOfAReadOnlyFile(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	dir := t.TempDir()
	name := filepath.Join(dir, "disk.vmdk")
	old := sample(8, mib)
	if err := os.WriteFile(name, old, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
	want := disk
	if os.Getuid() != 0 {
		if want = old; !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Restore = %v", err)
		}
	} else if err != nil {
		t.Error(err)
	}
	if !bytes.Equal(readFile(t, name), want) {
		t.Error("other bytes")
	}
}

// The file of a generation that is mostly hole costs its data, whatever its size.
func TestInPlaceOfHugeSparseFile(t *testing.T) {
	r, _ := newRepo(t, nil)
	const size = 1 << 40
	disk := &sparse{size: size, ranges: map[int64][]byte{0: sample(1, 100_000), size - 70_000: sample(2, 70_000)}}
	g, err := store(t.Context(), r, disk, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.Files[0].Mode = 0o600
	dir := t.TempDir()
	name := filepath.Join(dir, "disk.vmdk")
	writeFile(t, name, nil)
	stray, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stray.WriteAt([]byte("stray"), size/2); err != nil {
		t.Fatal(err)
	}
	if err := stray.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
	if err != nil || report.ReadBytes > 4*mib || report.WrittenBytes > mib {
		t.Errorf("%+v, %v", report, err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for off, data := range map[int64][]byte{0: disk.ranges[0], size / 2: make([]byte, 5), size - 70_000: disk.ranges[size-70_000]} {
		got := make([]byte, len(data))
		if _, err := f.ReadAt(got, off); err != nil && err != io.EOF || !bytes.Equal(got, data) {
			t.Errorf("other bytes at %d, %v", off, err)
		}
	}
}
