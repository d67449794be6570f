package job

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"granary/capture/host"
)

// randomPlaces and randomLimits make up a house.
func randomHouse(r *rand.Rand) ([]place, Limits) {
	hosts, datastores := 1+r.IntN(4), 1+r.IntN(4)
	var places []place
	for range r.IntN(30) {
		p := place{host: fmt.Sprint("h", r.IntN(hosts))}
		if d := r.IntN(datastores + 1); d > 0 {
			p.datastore = fmt.Sprint("d", d)
		}
		places = append(places, p)
	}
	limits := Limits{Parallel: r.IntN(7), PerHost: r.IntN(4), PerDatastore: r.IntN(4), Host: map[string]int{}}
	if r.IntN(2) == 0 {
		limits.Host["h0"] = 1 + r.IntN(5)
	}
	return places, limits
}

// allowed judges a set of running tasks by the words of the limits, not by the
// code under test.
func allowed(running []place, limits Limits) bool {
	hosts, datastores := map[string]int{}, map[string]int{}
	for _, p := range running {
		hosts[p.host]++
		if p.datastore != "" {
			datastores[p.datastore]++
		}
	}
	if len(running) > max(1, limits.Parallel) {
		return false
	}
	for name, n := range hosts {
		most := limits.PerHost
		if own := limits.Host[name]; own > 0 {
			most = own
		}
		if most > 0 && n > most {
			return false
		}
	}
	for _, n := range datastores {
		if limits.PerDatastore > 0 && n > limits.PerDatastore {
			return false
		}
	}
	return true
}

// Never more than allowed, never idle while something fits, each once.
func TestScheduleProperties(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			places, limits := randomHouse(r)
			lengths := make([]time.Duration, len(places))
			for i := range lengths {
				lengths[i] = time.Duration(1+r.IntN(20)) * time.Second
			}
			var mu sync.Mutex
			running := map[int]bool{}
			begun := make([]int, len(places))
			// now is what runs, with one more if it is given.
			now := func(more ...place) []place {
				for i := range running {
					more = append(more, places[i])
				}
				return more
			}
			done := make(chan []int)
			go func() {
				done <- schedule(t.Context(), places, limits, func(_ context.Context, i int) {
					mu.Lock()
					running[i] = true
					begun[i]++
					if !allowed(now(), limits) {
						t.Errorf("seed %d: %v run at once, limits %+v", seed, now(), limits)
					}
					mu.Unlock()
					time.Sleep(lengths[i])
					mu.Lock()
					delete(running, i)
					mu.Unlock()
				})
			}()
			for {
				synctest.Wait() // until all sleep
				mu.Lock()
				for i, p := range places {
					if begun[i] == 0 && allowed(now(p), limits) {
						t.Errorf("seed %d: task %d of %v waits while it fits beside %v, limits %+v", seed, i, p, now(), limits)
					}
				}
				mu.Unlock()
				select {
				case left := <-done:
					if len(left) > 0 || slices.ContainsFunc(begun, func(n int) bool { return n != 1 }) {
						t.Errorf("seed %d: left %v, begun %v times", seed, left, begun)
					}
					return
				case <-time.After(500 * time.Millisecond):
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// Eight VMs on two hosts, three at once and one a host: two run at any time.
func TestScheduleTakesTheShortestTimeThatLimitsAllow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var places []place
		for i := range 8 {
			places = append(places, place{host: fmt.Sprint(i % 2)})
		}
		began := time.Now()
		schedule(t.Context(), places, Limits{Parallel: 3, PerHost: 1}, func(context.Context, int) { time.Sleep(time.Minute) })
		if took := time.Since(began); took != 4*time.Minute {
			t.Errorf("it took %s, want 4m", took)
		}
	})
}

func TestScheduleBeginsNothingOnceCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var begun, ended atomic.Int32
	left := schedule(ctx, make([]place, 10), Limits{Parallel: 2}, func(ctx context.Context, i int) {
		if begun.Add(1) == 2 {
			cancel(errors.New("enough"))
		}
		<-ctx.Done()
		ended.Add(1)
	})
	if begun.Load() != 2 || ended.Load() != 2 || !slices.Equal(left, []int{2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Errorf("%d begun, %d ended, %v left", begun.Load(), ended.Load(), left)
	}
}

func TestPlacesOfTasks(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, "vm/x.vmx", "inner/y.vmx")
	h := host.Host{Datastores: map[string]string{"ds": "/mnt/ds", "nested": "/mnt/ds/nested"}}
	on := func(vm string) place { return placeOf(Task{VM: vm, HostName: "h", Host: h}) }
	vcb := func(vmx string) place {
		return placeOf(Task{VM: "name:web", VMX: vmx, HostName: "h", Host: host.Host{Driver: host.VCB}})
	}
	for _, c := range []struct {
		name      string
		got, want place
	}{
		{"by datastore", on("[ds] web/web.vmx"), place{"h", "h [ds]"}},
		{"below a datastore's folder", on("/mnt/ds/web/web.vmx"), place{"h", "h [ds]"}},
		{"below the inner one of two", on("/mnt/ds/nested/web/web.vmx"), place{"h", "h [nested]"}},
		{"beside a datastore's folder", on("/mnt/ds2/web/web.vmx"), place{host: "h"}},
		{"not there", on(filepath.Join(dir, "none")), place{host: "h"}},
		{"an export by its vmx", vcb("[ds1] web/web.vmx"), place{"h", "h [ds1]"}},
		{"an export without a vmx", vcb(""), place{host: "h"}},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, c.got, c.want)
		}
	}
	a, b := on(filepath.Join(dir, "vm/x.vmx")), on(filepath.Join(dir, "inner"))
	other := placeOf(Task{VM: filepath.Join(dir, "vm"), HostName: "other"})
	if a.datastore == "" || a != b || other.datastore != a.datastore {
		t.Errorf("files of one file system are at %+v, %+v and %+v", a, b, other)
	}
}
