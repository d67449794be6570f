package host

import (
	"fmt"
	"time"

	"granary/capture/vcb"
	"granary/capture/vmrun"
)

// Deadlines bound the calls of VMware's programs. Zero means the default that
// the drivers document.
type Deadlines struct {
	Start          time.Duration `yaml:"start"`
	Stop           time.Duration `yaml:"stop"` // soft
	StopHard       time.Duration `yaml:"stop-hard"`
	Suspend        time.Duration `yaml:"suspend"`
	Snapshot       time.Duration `yaml:"snapshot"`
	DeleteSnapshot time.Duration `yaml:"delete-snapshot"`
	Query          time.Duration `yaml:"query"`
	Guest          time.Duration `yaml:"guest"`  // a program in the guest
	Export         time.Duration `yaml:"export"` // vcbMounter
	Unmount        time.Duration `yaml:"unmount"`
}

// named are the deadlines by the names that people give them.
func (d *Deadlines) named() map[string]*time.Duration {
	return map[string]*time.Duration{"start": &d.Start, "stop": &d.Stop, "stop-hard": &d.StopHard, "suspend": &d.Suspend,
		"snapshot": &d.Snapshot, "delete-snapshot": &d.DeleteSnapshot, "query": &d.Query, "guest": &d.Guest, "export": &d.Export, "unmount": &d.Unmount}
}

// Set sets a deadline by its name.
func (d *Deadlines) Set(name, value string) error {
	to, known := d.named()[name]
	if !known {
		return fmt.Errorf("there is no deadline %q: want start, stop, stop-hard, suspend, snapshot, delete-snapshot, query, guest, export or unmount", name)
	}
	t, err := time.ParseDuration(value)
	if err != nil || t <= 0 {
		return fmt.Errorf("deadline %s %q: want a time like 90s or 5m", name, value)
	}
	*to = t
	return nil
}

// Check refuses negative times.
func (d *Deadlines) Check() error {
	for name, t := range d.named() {
		if *t < 0 {
			return fmt.Errorf("deadline %s: %s is no time to wait", name, *t)
		}
	}
	return nil
}

func (d Deadlines) vmrun() vmrun.Timeouts {
	return vmrun.Timeouts{Start: d.Start, StopSoft: d.Stop, StopHard: d.StopHard, Suspend: d.Suspend, Snapshot: d.Snapshot,
		DeleteSnapshot: d.DeleteSnapshot, Query: d.Query, Guest: d.Guest}
}

func (d Deadlines) vcb() vcb.Timeouts {
	return vcb.Timeouts{Export: d.Export, Unmount: d.Unmount, DeleteSnapshot: d.DeleteSnapshot, Query: d.Query}
}
