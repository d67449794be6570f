package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"granary/capture/vcb"
	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// lateStop is a vmrun whose first stop takes effect two seconds later, whatever
// has become of vmrun meanwhile.
const lateStop = `#!/bin/sh
case " $* " in *" stop "*)
	if mkdir "$LATE" 2>/dev/null; then
		setsid sh -c 'sleep 2; "$STAND_IN" "$@"; : >"$LATE/done"' sh "$@" </dev/null >/dev/null 2>&1 &
		ENDING
	fi
esac
exec "$STAND_IN" "$@"
`

// A stop that vmrun did not see to its end may still take effect when granary has
// given up. It waits for that, and starts the guest again.
func TestStopThatTakesEffectLate(t *testing.T) {
	t.Parallel()
	for about, ending := range map[string]string{"vmrun is killed": "kill -9 $$", "vmrun hangs": "exec sleep 100"} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{})
			w.start(vm)
			vmrun := w.path("vmrun")
			if err := os.WriteFile(vmrun, []byte(strings.Replace(lateStop, "ENDING", ending, 1)), 0o755); err != nil {
				t.Fatal(err)
			}
			w.env = append(w.env, "LATE="+w.path("late"), "STAND_IN="+bin+"/vmrun")
			o := w.granary("capture", "--vmrun", vmrun, "--stop-timeout", "1s", "--settle", "20s", vm.VMX)
			if o.status != 1 || !strings.Contains(o.stderr, "waiting whether the stop still takes effect") {
				t.Errorf("exit status %d\n%s", o.status, o.stderr)
			}
			if !exists(w.path("late", "done")) {
				t.Errorf("it did not wait for the stop\n%s", o.stderr)
			}
			w.asItWas(vm, true)
		})
	}
}

// A guest that cannot be frozen is captured each night all the same, and each
// night that is said: because its login has become wrong, or because both of its
// programs fail.
func TestNightsWithoutFreeze(t *testing.T) {
	t.Parallel()
	for password, programs := range map[string][2]string{"old": {"/sbin/freeze", "/sbin/thaw"}, "new": {"/sbin/bad", "/sbin/bad"}} {
		t.Run(programs[0], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			vm := w.makeVM(lab.Spec{})
			err := w.vmware.Configure(standin.Settings{Pause: "1ms", Cache: guest.Unsafe, Guest: standin.Login{User: "root", Password: "new"},
				GuestPrograms: map[string]standin.GuestProgram{"/sbin/freeze": {Freeze: true}, "/sbin/thaw": {Thaw: true}, "/sbin/bad": {Exit: 1}}})
			if err != nil {
				t.Fatal(err)
			}
			w.env = append(w.env, "GRANARY_GUEST_PASSWORD="+password)
			w.start(vm)
			for night := range 3 {
				o := w.granary("capture", "--json", "--quiesce", "snapshot", "--freeze", programs[0], "--thaw", programs[1], "--guest-user", "root", vm.VMX)
				if o.status != 3 || !strings.Contains(o.stdout, `"consistency":"crash"`) {
					t.Errorf("night %d: exit status %d\n%s%s", night, o.status, o.stdout, o.stderr)
				}
			}
			w.must("recover")
			w.asItWas(vm, true)
		})
	}
}

// A snapshot of vcbMounter's name that comes when granary's own is gone belongs to
// another backup, and stays.
func TestAnothersExportBegins(t *testing.T) {
	t.Parallel()
	t.Run("while this one is read", func(t *testing.T) {
		t.Parallel()
		h := newExportHost(t, exportMethodNamed("snapshot without vmrun"))
		cmd := h.command("granary", h.arguments("name:web", "--read-limit", "4MiB")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		err := eventually(t.Context(), "granary reads the export", func() bool {
			looks := h.called("vcbSnapshot") // before, again before, and after the export
			return len(looks) == 3 && !looks[2].End.IsZero()
		})
		if err != nil {
			t.Error(err)
		}
		h.onHost("snapshot", vcb.LeftoverSnapshot)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if list := h.onHost("listSnapshots"); !strings.Contains(list, vcb.LeftoverSnapshot) {
			t.Errorf("it was deleted:\n%s", list)
		}
	})
	t.Run("after somebody has cleaned up", func(t *testing.T) {
		t.Parallel()
		h := newExportHost(t, exportMethodNamed("snapshot without vmrun"))
		h.killedIn(exportStep{"export", standin.Midway})
		err := eventually(t.Context(), "vcbMounter's snapshot", func() bool {
			return strings.Contains(h.onHost("listSnapshots"), vcb.LeftoverSnapshot)
		})
		if err != nil {
			t.Fatal(err)
		}
		mounter := h.called("vcbMounter")
		h.tool("kill", "-9", fmt.Sprint(mounter[len(mounter)-1].PID))
		h.onHost("deleteSnapshot", vcb.LeftoverSnapshot)
		if err = os.RemoveAll(h.path("exports")); err != nil {
			t.Fatal(err)
		}
		h.onHost("snapshot", vcb.LeftoverSnapshot)
		o := h.granary("recover")
		if o.status != 0 || !strings.Contains(o.stderr, "--delete-vcb-snapshot") {
			t.Errorf("exit status %d\n%s", o.status, o.stderr)
		}
		if list := h.onHost("listSnapshots"); !strings.Contains(list, vcb.LeftoverSnapshot) {
			t.Errorf("it was deleted:\n%s", list)
		}
	})
}
