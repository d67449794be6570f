//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Config describes a guest to boot.
type Config struct {
	Disks []string      // the disk files to write, in the machine's order
	Pause time.Duration // rest after each write; zero writes as fast as possible
	Cache Cache         // Writethrough unless set
	Guard *os.File      // inherited by the disk servers: a lock on it lasts until they are gone
}

// Status is what a guest does at a moment.
type Status struct {
	Seq      uint64 // last sequence begun
	Boots    uint64
	Writes   uint64 // stamps written since the boot, over all disks
	Paused   bool   // by Pause
	Frozen   bool   // by Freeze
	Quiesced bool   // by Quiesce
}

// ErrEnded is returned by a guest that no longer runs.
var ErrEnded = errors.New("the guest has ended")

// Guest is a running writer. Its methods are safe for concurrent use. Whoever
// boots one ends it by Shutdown or Kill.
type Guest struct {
	config Config
	id     ID
	ended  chan struct{} // closed when the guest writes no more, ever

	mu      sync.Mutex // held for one stamp; guards all below
	wake    *sync.Cond // status or over has changed
	devices []*Device
	newest  []Record // last stamp written to each disk
	next    int      // disk that the next stamp goes to; 0 begins a round
	status  Status
	over    bool
	err     error // why the guest died by itself
}

// Boot opens the disks, checks that they show one point in time (a guest does
// not come up on torn disks) and begins to write. A guest whose last stamp says
// Suspended resumes, any other counts a boot.
func Boot(ctx context.Context, config Config) (*Guest, error) {
	g := &Guest{config: config, ended: make(chan struct{})}
	g.wake = sync.NewCond(&g.mu)
	if err := g.open(ctx, config.Disks); err != nil {
		return nil, fmt.Errorf("boot: %w", err)
	}
	set, err := readSet(g.devices)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boot: %w", err), g.close())
	}
	report := set.report()
	// A round that a power cut broke off is written again on every disk.
	g.id, g.status.Boots, g.status.Seq = report.ID, report.Boots, set.complete()
	if report.Flag != Suspended {
		g.status.Boots++
	}
	for _, reg := range set {
		g.newest = append(g.newest, reg.newest)
	}
	go g.write()
	return g, nil
}

func (g *Guest) open(ctx context.Context, disks []string) error {
	if len(disks) == 0 {
		return errors.New("the machine has no disk")
	}
	for _, disk := range disks {
		device, err := openDevice(ctx, disk, g.config.Guard, append(cacheFlags(g.config.Cache), nameWithin(disk))...)
		if err != nil {
			return errors.Join(err, g.close())
		}
		g.devices = append(g.devices, device)
	}
	return nil
}

func (g *Guest) close() error {
	var err error
	for _, device := range g.devices {
		err = errors.Join(err, device.Flush(), device.Close())
	}
	g.devices = nil
	return err
}

// write is the guest's life: one stamp after the other until the end.
func (g *Guest) write() {
	defer close(g.ended)
	for g.step() {
		if g.config.Pause > 0 {
			time.Sleep(g.config.Pause)
		}
	}
}

// step writes one stamp, waiting first while the guest is held.
func (g *Guest) step() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for (g.status.Paused || g.status.Frozen || g.status.Quiesced) && !g.over {
		g.wake.Wait()
	}
	if g.over {
		return false
	}
	if err := g.stamp(Running); err != nil {
		g.die(err)
		return false
	}
	return true
}

// stamp writes the next record of the round to its disk. The caller holds mu.
func (g *Guest) stamp(flag Flag) error {
	if g.next == 0 {
		g.status.Seq++
	}
	record := Record{
		ID: g.id, Disk: uint32(g.next), Disks: uint32(len(g.devices)),
		Seq: g.status.Seq, Boots: g.status.Boots, Flag: flag,
	}
	device := g.devices[g.next]
	if _, err := device.WriteAt(record.encode(), slotOffset(device.Size(), record.Seq)); err != nil {
		return fmt.Errorf("disk %d: %w", g.next, err)
	}
	g.newest[g.next] = record
	g.next = (g.next + 1) % len(g.devices)
	g.status.Writes++
	return nil
}

// die ends the guest for the reason given. The caller holds mu.
func (g *Guest) die(err error) {
	g.over, g.err = true, err
	for _, device := range g.devices {
		device.Kill()
	}
	g.devices = nil
	g.wake.Broadcast()
}

// alive reports why the guest does not run. The caller holds mu.
func (g *Guest) alive() error {
	if g.over {
		return errors.Join(ErrEnded, g.err)
	}
	return nil
}

// Status returns what the guest does now, and an error once it has ended.
func (g *Guest) Status() (Status, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.status, g.alive()
}

// Ended is closed when the guest has ended, by itself or by request.
func (g *Guest) Ended() <-chan struct{} { return g.ended }
