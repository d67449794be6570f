//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
)

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
	for g.next != 0 {
		if err := g.stamp(Running); err != nil {
			g.die(err)
			return err
		}
	}
	for range g.devices {
		if err := g.stamp(flag); err != nil {
			g.die(err)
			return err
		}
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
