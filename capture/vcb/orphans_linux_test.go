package vcb

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphan starts vcbMounter as a granary that is gone did, and waits until it
// runs. Its end is told by the channel.
func orphan(t *testing.T, f *fake, args ...string) (int, <-chan struct{}) {
	t.Helper()
	before := len(f.calls(t))
	cmd := exec.Command(f.Program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for deadline := time.Now().Add(20 * time.Second); len(f.calls(t)) == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not start")
		}
	}
	return cmd.Process.Pid, ended
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	f := newFake(t, script{mounter: {Hang: true}})
	exporting, exportEnded := orphan(t, f, "-a", "name:web", "-r", f.dir, "-t", "fullvm")
	unmounting, unmountEnded := orphan(t, f, "-U", f.dir)
	other, otherEnded := orphan(t, f, "-a", "name:"+f.dir, "-r", f.dir+"2", "-t", "fullvm")

	found, err := Orphans(f.dir, f.Program)
	slices.Sort(found)
	wanted := []int{exporting, unmounting}
	slices.Sort(wanted)
	if err != nil || !slices.Equal(found, wanted) {
		t.Errorf("orphans %v, %v; want %v, not %d", found, err, wanted, other)
	}
	// The export is killed, for it is deaf to the polite signal; the unmount is
	// waited for as long as one may take.
	ctx, cancel := context.WithCancel(t.Context())
	ending := make(chan error, 1)
	go func() { ending <- f.EndOrphans(ctx, f.dir) }()
	<-exportEnded
	cancel()
	if err := <-ending; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), f.dir) {
		t.Errorf("error %v", err)
	}
	select {
	case <-unmountEnded:
		t.Error("the unmount was ended before its time")
	default:
	}
	f.Timeouts.Unmount = 10 * time.Millisecond
	if err := f.EndOrphans(t.Context(), f.dir); err != nil {
		t.Error(err)
	}
	<-unmountEnded
	select {
	case <-otherEnded:
		t.Error("the export to another directory was ended")
	default:
	}
}

func TestEndOrphansWithoutAny(t *testing.T) {
	t.Parallel()
	if err := (&Client{}).EndOrphans(t.Context(), t.TempDir()); err != nil {
		t.Error(err)
	}
}
