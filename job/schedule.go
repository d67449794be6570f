package job

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"granary/capture/host"
)

// place is where a task reads: what limits count.
type place struct {
	host      string
	datastore string // among all hosts; empty if unknown, and not counted then
}

// placeOf is where a task reads. Its datastore is the host's, by name; for a
// path that is in none, the file system of this machine.
func placeOf(t Task) place {
	vm := t.VM
	if t.Host.Driver == host.VCB {
		vm = t.VMX
	}
	datastore, _, named := host.SplitDatastore(vm)
	if !named {
		datastore = datastoreAbove(vm, t.Host.Datastores)
	}
	if datastore != "" {
		return place{t.HostName, t.HostName + " [" + datastore + "]"}
	}
	if info, err := os.Stat(vm); err == nil {
		if device, known := deviceOf(info); known {
			return place{t.HostName, fmt.Sprint("device ", device)}
		}
	}
	return place{host: t.HostName}
}

// datastoreAbove names the datastore in whose folder a path is; of nested ones
// the innermost.
func datastoreAbove(path string, datastores map[string]string) (name string) {
	for candidate, dir := range datastores {
		rel, err := filepath.Rel(dir, path)
		if err == nil && filepath.IsLocal(rel) && (name == "" || len(dir) > len(datastores[name])) {
			name = candidate
		}
	}
	return name
}

// occupancy counts the running tasks.
type occupancy struct {
	limits      Limits
	all         int
	byHost      map[string]int
	byDatastore map[string]int
}

// fits tells whether one more task may run.
func (o *occupancy) fits(p place) bool {
	perHost := cmp.Or(o.limits.Host[p.host], o.limits.PerHost)
	switch {
	case o.all >= max(1, o.limits.Parallel):
		return false
	case perHost > 0 && o.byHost[p.host] >= perHost:
		return false
	case o.limits.PerDatastore > 0 && p.datastore != "" && o.byDatastore[p.datastore] >= o.limits.PerDatastore:
		return false
	}
	return true
}

// count adds n running tasks.
func (o *occupancy) count(p place, n int) {
	o.all += n
	o.byHost[p.host] += n
	o.byDatastore[p.datastore] += n
}

// schedule runs do for each index of places, at most as many at once as the
// limits allow: whenever there is room, the first that fits it starts. Once ctx
// is done none is started any more; those that run end by themselves. It returns
// when all have ended, with the indices of those that were not started.
func schedule(ctx context.Context, places []place, limits Limits, do func(ctx context.Context, i int)) (left []int) {
	running := &occupancy{limits: limits, byHost: map[string]int{}, byDatastore: map[string]int{}}
	ended := make(chan int)
	for i := range places {
		left = append(left, i)
	}
	for {
		left = slices.DeleteFunc(left, func(i int) bool {
			if ctx.Err() != nil || !running.fits(places[i]) {
				return false
			}
			running.count(places[i], 1)
			go func() {
				defer func() { ended <- i }()
				do(ctx, i)
			}()
			return true
		})
		if running.all == 0 {
			return left
		}
		running.count(places[<-ended], -1)
	}
}
