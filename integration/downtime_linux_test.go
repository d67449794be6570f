package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/standin"
)

// meter is a vmrun that notes what granary, its parent, had read and written when
// the guest was down, and when it was asked to start. It asks each thread: what
// is counted for a process includes its children.
const meter = `#!/bin/sh
test "$3" = start && cat /proc/$PPID/task/*/io >"$METER/start"
"$STAND_IN" "$@"
status=$?
test "$3" = stop && cat /proc/$PPID/task/*/io >"$METER/stop"
exit $status
`

// maxWhileDown is what granary may read, and write, while the guest is down, in
// bytes: configuration files and its journal.
const maxWhileDown = 64 << 10

// While the guest is down nothing happens that grows with the VM: one snapshot,
// and a few small files are read.
func TestDowntimeDoesNotGrowWithTheVM(t *testing.T) {
	for _, subformat := range []string{"monolithicFlat", "monolithicSparse"} {
		read := map[int64]int64{}
		for _, size := range []int64{48 * mib, 2 * tib} {
			t.Run(fmt.Sprintf("%s of %d MiB", subformat, size/mib), func(t *testing.T) {
				w := newWorld(t)
				w.env = append(w.env, "METER="+w.dir, "STAND_IN="+filepath.Join(bin, "vmrun"), "GRANARY_VMRUN="+w.path("vmrun"))
				if err := os.WriteFile(w.path("vmrun"), []byte(meter), 0o755); err != nil {
					t.Fatal(err)
				}
				vmx := w.stampedVM(subformat, size)
				w.tool("vmrun", "start", vmx, "nogui")
				c := w.capture(vmx)
				stop, start := w.whileDown(vmx)
				read[size] = w.ioOf("start", "rchar") - w.ioOf("stop", "rchar")
				written := w.ioOf("start", "wchar") - w.ioOf("stop", "wchar")
				t.Logf("%d bytes read and %d written while the guest was down, for %s by vmrun's log, %.3fs as reported",
					read[size], written, start.Sub(stop), *c.Downtime)
				if read[size] > maxWhileDown || written > maxWhileDown {
					t.Errorf("%d bytes read, %d written: more than %d", read[size], written, maxWhileDown)
				}
				if c.Consistency != "clean" {
					t.Errorf("captured as %+v", c)
				}
			})
		}
		// Names and numbers in the small files may have some more digits.
		if small, huge := read[48*mib], read[2*tib]; huge > small+4<<10 {
			t.Errorf("%s: %d bytes are read while a small VM is down, %d while a huge one is", subformat, small, huge)
		}
	}
}

// stampedVM makes a VM with one sparse disk of any size that a guest can run on.
func (w *world) stampedVM(subformat string, size int64) (vmx string) {
	w.Helper()
	dir := w.flatVM("web", size, func(f *os.File) error {
		if err := noise(f, 1, 0, mib); err != nil {
			return err
		}
		return guest.FormatDisk(f, size, guest.NewID("web"), 0, 1)
	})
	if subformat != "monolithicFlat" {
		flat, disk := filepath.Join(dir, "web-flat.vmdk"), filepath.Join(dir, "web.vmdk")
		w.tool("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat="+subformat, flat, disk)
		if err := os.Remove(flat); err != nil {
			w.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.vmx")
}

// whileDown returns when the last stop of a VM had ended and when its start was
// begun. It fails unless vmrun was called once between, to take a snapshot.
func (w *world) whileDown(vmx string) (stop, start time.Time) {
	w.Helper()
	calls, err := w.vmware.Calls()
	if err != nil {
		w.Fatal(err)
	}
	var between []standin.Call
	for _, c := range calls {
		switch {
		case c.Verb == "stop" && c.VMX == vmx:
			stop, between = c.End, nil
		case c.Verb == "start" && !stop.IsZero() && start.IsZero():
			start = c.Start
		case start.IsZero():
			between = append(between, c)
		}
	}
	if start.IsZero() || len(between) != 1 || between[0].Verb != "snapshot" || between[0].VMX != vmx {
		w.Fatalf("between stop and start at %s vmrun was called as %+v", start, between)
	}
	return stop, start
}

// ioOf is a counter of all granary's threads, in bytes, as the meter noted it.
func (w *world) ioOf(moment, counter string) (bytes int64) {
	w.Helper()
	data, err := os.ReadFile(w.path(moment))
	if err != nil {
		w.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var n int64
		if _, err := fmt.Sscanf(line, counter+": %d", &n); err == nil {
			bytes += n
		}
	}
	if bytes == 0 {
		w.Fatalf("no %s in %s", counter, data)
	}
	return bytes
}
