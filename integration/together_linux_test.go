package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Captures, lists, restores and a mount at once, from many processes, while
// the index is deleted and captures are killed: no lock reaches a user, and no
// result changes.
func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	const vms, rounds = 3, 4
	folders := make([]string, vms)
	for i := range folders {
		folders[i] = w.flatVM(fmt.Sprintf("vm%d", i), 64*mib, func(f *os.File) error {
			// A part is common to all.
			if err := noise(f, 1, 0, 8*mib); err != nil {
				return err
			}
			return noise(f, byte(10+i), 16*mib, 4*mib)
		})
	}
	mount := w.mount()
	stop := make(chan struct{})
	var disturbers, writers sync.WaitGroup
	disturb := func(every time.Duration, do func()) {
		disturbers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(every):
					do()
				}
			}
		})
	}
	expect := func(args ...string) {
		if o := w.granary(args...); o.status != 0 {
			t.Errorf("granary %q: exit status %d\n%s", args, o.status, o.stderr)
		}
	}
	disturb(10*time.Millisecond, func() { expect("list", "-q") })
	disturb(150*time.Millisecond, func() { expect("check", "-q") })
	disturb(100*time.Millisecond, func() {
		if o := w.run("sh", "-c", `for f in "$1"/*/latest/*-flat.vmdk; do [ -e "$f" ] && cat "$f" >/dev/null || true; done`, "sh", mount); o.status != 0 {
			t.Errorf("read the mount: %s", o.stderr)
		}
	})
	disturb(400*time.Millisecond, func() {
		if err := os.RemoveAll(w.path("repo", "index")); err != nil {
			t.Logf("delete the index while it is in use: %v", err)
		}
	})
	disturb(200*time.Millisecond, func() {
		killed := w.command("granary", "-q", "capture", "--full-scan", "--driver", "files", "--name", "killed", "--state-dir", w.path("other"), folders[0])
		if err := killed.Start(); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(time.Duration(rand.IntN(250)) * time.Millisecond)
		_ = killed.Process.Kill()
		_ = killed.Wait()
	})
	for i, folder := range folders {
		writers.Go(func() {
			for round := range rounds {
				expect("capture", "-q", "--full-scan", "--driver", "files", folder)
				f, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("vm%d-flat.vmdk", i)), os.O_WRONLY, 0)
				if err == nil {
					err = noise(f, byte(100+10*i+round), int64(24+round)*mib, mib)
					f.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
			expect("capture", "-q", "--driver", "files", folder)
		})
	}
	writers.Wait()
	close(stop)
	disturbers.Wait()
	w.must("check", "--read-data")
	for i, folder := range folders {
		name := fmt.Sprintf("vm%d", i)
		var list []captured
		if err := json.Unmarshal([]byte(w.must("list", "--json", name)), &list); err != nil {
			t.Fatal(err)
		}
		// The mount may show it a moment later.
		newest := list[len(list)-1].Generation + "\n"
		if err := eventually(t.Context(), "latest is "+newest, func() bool {
			return w.run("readlink", filepath.Join(mount, name, "latest")).stdout == newest
		}); err != nil {
			t.Error(err)
		}
		to := w.path("restored", name)
		w.must("restore", name, "--to", to)
		w.sameFiles("restored "+name, w.sums(to), w.sums(folder))
		w.sameFiles("mounted "+name, w.sumsByOthers(filepath.Join(mount, name, "latest")+"/"), w.sums(folder))
	}
}
