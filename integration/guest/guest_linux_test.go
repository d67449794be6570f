package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const testDiskSize = 40 << 20

var subformats = []string{"monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"}

// makeDisks makes n formatted disks of one machine and returns their paths.
func makeDisks(t *testing.T, subformat string, n int) []string {
	t.Helper()
	dir := t.TempDir()
	var disks []string
	for number := range n {
		raw := filepath.Join(dir, "raw")
		file, err := os.Create(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(
			file.Truncate(testDiskSize),
			FormatDisk(file, testDiskSize, NewID("test"), number, n),
			file.Close(),
		); err != nil {
			t.Fatal(err)
		}
		disk := filepath.Join(dir, fmt.Sprintf("disk%d.vmdk", number))
		qemuImg(t, "convert", "-O", "vmdk", "-o", "subformat="+subformat, raw, disk)
		disks = append(disks, disk)
		if err := os.Remove(raw); err != nil {
			t.Fatal(err)
		}
	}
	return disks
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
	}
}

func boot(t *testing.T, config Config) *Guest {
	t.Helper()
	g, err := Boot(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Kill)
	return g
}

// await returns once the guest has written so many stamps since its boot.
func await(t *testing.T, g *Guest, writes uint64) {
	t.Helper()
	for {
		status, err := g.Status()
		if err != nil {
			t.Fatal(err)
		}
		if status.Writes >= writes {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func verify(t *testing.T, disks []string) Report {
	t.Helper()
	report, err := Verify(t.Context(), disks)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// copyFiles copies the directory of the disks file by file, resting after each
// piece, and returns the copies of the disks.
func copyFiles(t *testing.T, disks []string, rest time.Duration) []string {
	t.Helper()
	source, target := filepath.Dir(disks[0]), t.TempDir()
	entries, err := os.ReadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		copyFile(t, filepath.Join(source, entry.Name()), filepath.Join(target, entry.Name()), rest)
	}
	var copies []string
	for _, disk := range disks {
		copies = append(copies, filepath.Join(target, filepath.Base(disk)))
	}
	return copies
}

func copyFile(t *testing.T, source, target string, rest time.Duration) {
	t.Helper()
	in, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(target)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for {
		_, err := io.CopyN(out, in, 1<<20)
		time.Sleep(rest)
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestShutdownOnEverySubformat(t *testing.T) {
	for _, subformat := range subformats {
		t.Run(subformat, func(t *testing.T) {
			disks := makeDisks(t, subformat, 2)
			if fresh := verify(t, disks); fresh.Seq != 1 || fresh.Boots != 0 || fresh.Flag != CleanShutdown {
				t.Fatalf("never started: %+v", fresh)
			}
			g := boot(t, Config{Disks: disks, Cache: Writeback})
			await(t, g, 2*Slots+20)
			if err := g.Shutdown(CleanShutdown); err != nil {
				t.Fatal(err)
			}
			report := verify(t, copyFiles(t, disks, 0))
			if report.Flag != CleanShutdown || report.Boots != 1 || report.Seq < Slots || report.Max[0] != report.Max[1] {
				t.Fatalf("after a shutdown: %+v", report)
			}
			qemuImg(t, "check", disks[0])
		})
	}
}

func TestSlowCopyOfRunningGuestIsTorn(t *testing.T) {
	for _, subformat := range subformats {
		t.Run(subformat, func(t *testing.T) {
			t.Parallel()
			disks := makeDisks(t, subformat, 2)
			g := boot(t, Config{Disks: disks, Pause: time.Millisecond, Cache: Writeback})
			await(t, g, Slots) // half the slots filled: sparse disks have grown
			copies := copyFiles(t, disks, 20*time.Millisecond)
			if report, err := Verify(t.Context(), copies); !errors.Is(err, ErrTorn) {
				t.Fatalf("Verify of a slow copy = %+v, %v; want ErrTorn", report, err)
			}
		})
	}
}

func TestKilledGuestIsCrashConsistentAndBootsAgain(t *testing.T) {
	disks := makeDisks(t, "monolithicSparse", 3)
	for round := range uint64(4) {
		g := boot(t, Config{Disks: disks})
		await(t, g, 20+round)
		g.Kill()
		report := verify(t, disks)
		if report.Flag != Running || report.Boots != round+1 {
			t.Fatalf("after kill %d: %+v", round, report)
		}
	}
}

func TestSuspendResumes(t *testing.T) {
	disks := makeDisks(t, "monolithicSparse", 2)
	g := boot(t, Config{Disks: disks})
	await(t, g, 5)
	if err := g.Shutdown(Suspended); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, disks); report.Flag != Suspended || report.Boots != 1 {
		t.Fatalf("suspended: %+v", report)
	}
	g = boot(t, Config{Disks: disks})
	await(t, g, 5)
	if status, err := g.Status(); err != nil || status.Boots != 1 {
		t.Fatalf("a resume counted a boot: %+v, %v", status, err)
	}
	if _, err := Boot(t.Context(), Config{Disks: disks}); err == nil {
		t.Fatal("two guests opened the same disks")
	}
}

func TestFreezeShowsOneMomentAndThawGoesOn(t *testing.T) {
	disks := makeDisks(t, "twoGbMaxExtentSparse", 2)
	g := boot(t, Config{Disks: disks})
	for range 3 {
		await(t, g, 10)
		if err := g.Freeze(); err != nil {
			t.Fatal(err)
		}
		before := verify(t, copyFiles(t, disks, 0))
		if err := g.Thaw(t.Context(), disks); err != nil {
			t.Fatal(err)
		}
		await(t, g, before.Seq*2+10)
	}
	if err := g.Pause(); err != nil {
		t.Fatal(err)
	}
	status, err := g.Status()
	if err != nil || !status.Paused {
		t.Fatalf("paused: %+v, %v", status, err)
	}
	if report := verify(t, disks); report.Seq != status.Seq {
		t.Fatalf("paused at %d, disks show %d", status.Seq, report.Seq)
	}
}

// A thaw onto older disks must not go unnoticed: it would lose stamps.
func TestThawOntoOtherDisksKills(t *testing.T) {
	disks := makeDisks(t, "monolithicSparse", 1)
	old := copyFiles(t, disks, 0)
	g := boot(t, Config{Disks: disks})
	await(t, g, 5)
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := g.Thaw(t.Context(), old); err == nil {
		t.Fatal("thawed onto an older disk")
	}
	if _, err := g.Status(); !errors.Is(err, ErrEnded) {
		t.Fatalf("status %v, want ErrEnded", err)
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	write := func(t *testing.T, disk string, seq uint64, page []byte) {
		t.Helper()
		device, err := OpenDevice(context.Background(), disk, Writeback)
		if err != nil {
			t.Fatal(err)
		}
		_, err = device.WriteAt(page, slotOffset(device.Size(), seq))
		if err := errors.Join(err, device.Close()); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func(disk uint32, seq uint64) []byte {
		return Record{ID: NewID("test"), Disk: disk, Disks: 2, Seq: seq, Flag: Running}.encode()
	}
	cases := map[string]func(t *testing.T, disks []string) []string{
		"torn stamp": func(t *testing.T, disks []string) []string {
			write(t, disks[1], 2, append(stamp(1, 2)[:2048], make([]byte, 2048)...))
			return disks
		},
		"lost stamp": func(t *testing.T, disks []string) []string {
			write(t, disks[0], 1, make([]byte, RecordSize))
			return disks
		},
		"gap":                    func(t *testing.T, disks []string) []string { write(t, disks[0], 3, stamp(0, 3)); return disks },
		"later disk ahead":       func(t *testing.T, disks []string) []string { write(t, disks[1], 2, stamp(1, 2)); return disks },
		"disks in another order": func(t *testing.T, disks []string) []string { return []string{disks[1], disks[0]} },
		"one disk missing":       func(t *testing.T, disks []string) []string { return disks[:1] },
		"last disk two behind": func(t *testing.T, disks []string) []string {
			write(t, disks[0], 2, stamp(0, 2))
			write(t, disks[0], 3, stamp(0, 3))
			return disks
		},
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			disks := damage(t, makeDisks(t, "monolithicSparse", 2))
			if report, err := Verify(t.Context(), disks); !errors.Is(err, ErrTorn) {
				t.Fatalf("Verify = %+v, %v; want ErrTorn", report, err)
			}
		})
	}
}

// A quiesced guest has flushed its last stamps, which say so on every disk, and
// writes nothing; files may be swapped under it as under any other.
func TestQuiesce(t *testing.T) {
	disks := makeDisks(t, "monolithicSparse", 3)
	g := boot(t, Config{Disks: disks, Cache: Unsafe})
	await(t, g, 7)
	if err := g.Quiesce(); err != nil {
		t.Fatal(err)
	}
	quiesced, err := g.Status()
	if err != nil || !quiesced.Quiesced {
		t.Fatalf("quiesced as %+v, %v", quiesced, err)
	}
	if report := verify(t, disks); report.Flag != Quiesced || report.Seq != quiesced.Seq {
		t.Errorf("the disks of a quiesced guest: %+v", report)
	}
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := g.Quiesce(); err == nil {
		t.Error("a guest without disks quiesced")
	}
	if err := errors.Join(g.Thaw(t.Context(), disks), g.Quiesce()); err != nil {
		t.Fatal(err)
	}
	if after, err := g.Status(); err != nil || after != quiesced {
		t.Errorf("it was %+v, it is %+v, %v", quiesced, after, err)
	}
	if err := g.Resume(); err != nil {
		t.Fatal(err)
	}
	await(t, g, quiesced.Writes+7)
	g.Kill()
	if err := g.Quiesce(); !errors.Is(err, ErrEnded) {
		t.Errorf("an ended guest quiesced: %v", err)
	}
	if report := verify(t, disks); report.Flag != Running {
		t.Errorf("at the end: %+v", report)
	}
}
