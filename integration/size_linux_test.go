package integration

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// maxMemory is what a capture or a mount may take at its peak, in bytes.
const maxMemory = 256 << 20

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
	tib = int64(1) << 40
)

// noise writes n random bytes at off.
func noise(f *os.File, seed byte, off, n int64) error {
	_, err := io.Copy(io.NewOffsetWriter(f, off), io.LimitReader(rand.NewChaCha8([32]byte{seed}), n))
	return err
}

// peakMemory reads the most memory that a running process has taken so far.
// What wait(2) tells of an ended one begins with the size of its parent.
func peakMemory(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// measured runs granary and returns its peak memory.
func (w *world) measured(args ...string) (peak int64) {
	w.Helper()
	cmd := w.command("granary", args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		w.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil {
				w.Fatalf("granary %q: %v\n%s", args, err, said.String())
			}
			if peak == 0 {
				w.Fatal("its memory could not be read")
			}
			return peak
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, peakMemory(cmd.Process.Pid))
		}
	}
}

// A 2 TiB disk with a few MiB of data costs what the data costs.
func TestHugeSparseDisk(t *testing.T) {
	w := newWorld(t)
	vm := w.flatVM("huge", 2*tib, func(f *os.File) error {
		for i, off := range []int64{0, 17 * mib, tib - 3, 2*tib - 2*mib} {
			if err := noise(f, byte(i), off, mib); err != nil {
				return err
			}
		}
		return nil
	})
	if peak := w.measured("capture", "--driver", "files", vm); peak > maxMemory {
		t.Errorf("capture took %d MiB of memory", peak/mib)
	}
	disk := filepath.Join(vm, "huge-flat.vmdk")
	if err := func() error {
		f, err := os.OpenFile(disk, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return noise(f, 9, tib/2, 3*mib)
	}(); err != nil {
		t.Fatal(err)
	}
	c := w.capture("--driver", "files", vm)
	if c.Read > 16*mib || c.New > 5*mib {
		t.Errorf("3 MiB of new data: %d bytes read, %d stored anew", c.Read, c.New)
	}
	mounted := filepath.Join(w.mount(), "huge", c.Generation, "huge-flat.vmdk")
	copied := w.path("copied")
	w.tool("cp", "--sparse=auto", mounted, copied)
	w.must("restore", "huge", "huge-flat.vmdk", "--to", w.path("restored"))
	for _, back := range []string{mounted, copied, w.path("restored", "huge-flat.vmdk")} {
		w.tool("qemu-img", "compare", "-f", "raw", "-F", "raw", disk, back)
	}
	if got := w.allocated(copied); got > 32*mib {
		t.Errorf("the copy takes %d bytes on disk", got)
	}
}

// Memory does not follow the disk: 6 GiB, a part of it data, stay in bounds,
// captured and mounted.
func TestMemoryIsBounded(t *testing.T) {
	w := newWorld(t)
	vm := w.flatVM("big", 6*gib, func(f *os.File) error {
		for i := range int64(6) {
			if err := noise(f, byte(i), i*gib, 96*mib); err != nil {
				return err
			}
		}
		return nil
	})
	for _, what := range []string{"first", "again"} {
		peak := w.measured("capture", "--full-scan", "--driver", "files", vm)
		t.Logf("%s capture: %d MiB", what, peak/mib)
		if peak > maxMemory {
			t.Errorf("%s capture took %d MiB of memory", what, peak/mib)
		}
	}
	dir := w.path("mount")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	mount := w.command("granary", "mount", dir)
	if err := mount.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exec.Command("fusermount3", "-u", "-z", dir).Run() })
	disk := filepath.Join(dir, "big", "latest", "big-flat.vmdk")
	if err := eventually(t.Context(), "the mount answers", func() bool { return w.run("stat", disk).status == 0 }); err != nil {
		t.Fatal(err)
	}
	w.tool("cmp", disk, filepath.Join(vm, "big-flat.vmdk"))
	peak := peakMemory(mount.Process.Pid)
	if err := mount.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := mount.Wait(); err != nil {
		t.Errorf("mount: %v", err)
	}
	t.Logf("mount: %d MiB", peak/mib)
	if peak == 0 || peak > maxMemory {
		t.Errorf("the mount took %d MiB of memory", peak/mib)
	}
}

// An unchanged VM stores next to nothing.
func TestUnchangedCapture(t *testing.T) {
	w := newWorld(t)
	vm := w.flatVM("still", gib, func(f *os.File) error { return noise(f, 1, 0, 40*mib) })
	w.capture("--driver", "files", vm)
	for _, flags := range [][]string{nil, {"--full-scan"}} {
		before := w.allocated(w.path("repo", "packs")) + w.allocated(w.path("repo", "generations"))
		w.capture(append([]string{"--driver", "files", vm}, flags...)...)
		after := w.allocated(w.path("repo", "packs")) + w.allocated(w.path("repo", "generations"))
		if after-before >= 64<<10 {
			t.Errorf("%v: an unchanged VM stored %d bytes", flags, after-before)
		}
	}
}
