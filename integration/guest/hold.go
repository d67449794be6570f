//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
)

// Pause holds the writing; the disks stay open.
func (g *Guest) Pause() error { return g.hold(true) }

// Unpause lets a paused guest go on.
func (g *Guest) Unpause() error { return g.hold(false) }

func (g *Guest) hold(paused bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status.Paused = paused
	g.wake.Broadcast()
	return g.alive()
}

// Quiesce makes the guest finish its round, leave a stamp that says Quiesced on
// every disk, flush them and write nothing more until Resume. It is what a
// freeze program in a real guest does; one that is quiesced stays so.
func (g *Guest) Quiesce() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.alive()
	if err == nil && g.status.Frozen {
		err = errors.New("the guest is frozen")
	}
	if err != nil {
		return fmt.Errorf("quiesce: %w", err)
	}
	if g.status.Quiesced {
		return nil
	}
	err = g.lastStamps(Quiesced)
	for _, device := range g.devices {
		err = errors.Join(err, device.Flush())
	}
	if err != nil {
		g.die(fmt.Errorf("quiesce: %w", err))
		return g.err
	}
	g.status.Quiesced = true
	return nil
}

// Resume lets a quiesced guest go on; any other goes on as it is.
func (g *Guest) Resume() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status.Quiesced = false
	g.wake.Broadcast()
	return g.alive()
}

// lastStamps finishes the round and adds one that carries flag. The caller holds
// mu.
func (g *Guest) lastStamps(flag Flag) error {
	for g.next != 0 {
		if err := g.stamp(Running); err != nil {
			return err
		}
	}
	for range g.devices {
		if err := g.stamp(flag); err != nil {
			return err
		}
	}
	return nil
}

// Freeze stops the guest between two stamps, in the middle of a round as likely
// as not, and closes its disks, so that their files may be changed. A frozen
// guest ends by Thaw or Kill.
func (g *Guest) Freeze() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.alive(); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	if g.status.Frozen {
		return errors.New("freeze: frozen already")
	}
	g.status.Frozen = true
	if err := g.close(); err != nil {
		g.die(fmt.Errorf("freeze: %w", err))
		return g.err
	}
	return nil
}

// Thaw lets a frozen guest go on with the disks given. They must show exactly
// what the guest wrote before it froze; if they do not, the guest dies.
func (g *Guest) Thaw(ctx context.Context, disks []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.alive(); err != nil {
		return fmt.Errorf("thaw: %w", err)
	}
	if !g.status.Frozen {
		return errors.New("thaw: not frozen")
	}
	if err := g.reopen(ctx, disks); err != nil {
		g.die(fmt.Errorf("thaw: %w", err))
		return g.err
	}
	g.status.Frozen = false
	g.wake.Broadcast()
	return nil
}

func (g *Guest) reopen(ctx context.Context, disks []string) error {
	if len(disks) != len(g.newest) {
		return fmt.Errorf("%d disks instead of %d", len(disks), len(g.newest))
	}
	if err := g.open(ctx, disks); err != nil {
		return err
	}
	set, err := readSet(g.devices)
	if err != nil {
		return err
	}
	for number, want := range g.newest {
		if set[number].newest != want {
			return fmt.Errorf("disk %d shows %+v where %+v was written", number, set[number].newest, want)
		}
	}
	return nil
}

// Shutdown ends the guest in good order: it finishes the round, writes one last
// stamp with the flag given to every disk, flushes and closes them.
func (g *Guest) Shutdown(flag Flag) error {
	g.mu.Lock()
	err := g.finish(flag)
	g.mu.Unlock()
	<-g.ended
	return err
}

func (g *Guest) finish(flag Flag) error {
	if err := g.alive(); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	if g.status.Frozen {
		return errors.New("shut down: the guest is frozen")
	}
	if err := g.lastStamps(flag); err != nil {
		g.die(err)
		return err
	}
	g.over = true
	g.wake.Broadcast()
	return g.close()
}

// Kill ends the guest as a power cut would: nothing more is written.
func (g *Guest) Kill() {
	g.mu.Lock()
	if !g.over {
		g.die(errors.New("killed"))
	}
	g.mu.Unlock()
	<-g.ended
}
