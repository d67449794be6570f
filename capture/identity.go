package capture

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"granary/repo"
	"granary/repo/format"
)

// own finds the VM's newest generation and takes the lock on its name, in this
// order: a VM whose name is another's must not keep that one from being captured.
func (c *run) own(ctx context.Context) (err error) {
	if c.preflight.Parent, err = c.newest(ctx); err != nil {
		return err
	}
	if err := c.lockName(); err != nil {
		return err
	}
	// Whoever had the lock may have made a generation meanwhile.
	c.preflight.Parent, err = c.newest(ctx)
	return err
}

// lockName keeps other VMs of this name from being captured on this host at the
// same time: both could find the name free. The lock's file stays, as that of a
// journal does.
func (c *run) lockName() error {
	sum := sha256.Sum256([]byte(c.plan.Name))
	lock := flock.New(filepath.Join(c.StateDir, journalsDir, fmt.Sprintf("name-%x%s", sum[:12], lockExt)))
	ok, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the name %q: %w", c.plan.Name, err)
	}
	if !ok {
		return fmt.Errorf("%w: %q is being captured", ErrName, c.plan.Name)
	}
	c.name = lock
	return nil
}

// newest is the VM's newest generation. It returns ErrName when the name
// belongs to another VM.
func (c *run) newest(ctx context.Context) (*repo.Generation, error) {
	list, err := c.repo.Generations(ctx)
	if err != nil {
		return nil, err
	}
	of := list.Of(c.plan.Name)
	if len(of) == 0 {
		return nil, nil
	}
	g := of[len(of)-1]
	if other := c.another(g.Manifest); other != "" {
		return g, fmt.Errorf("%w: %q is %s in this repository, not %s", ErrName, c.plan.Name, other, c.plan.Origin)
	}
	return g, nil
}

// another names the VM of a manifest if it is not the one planned. A VM that
// was moved keeps its UUID; one that was copied keeps it too, but then the
// first is still in its place.
func (c *run) another(m *format.Manifest) string {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	path, uuid := m.Fact("vm.path"), m.Fact("vm.uuid")
	samePath := m.Fact("host") == host && (path == c.plan.Origin || sameFile(path, c.plan.Origin))
	switch {
	case uuid != "" && c.plan.UUID != "" && uuid != c.plan.UUID:
		return path + " with UUID " + uuid
	case samePath:
		return ""
	case uuid == "" || c.plan.UUID == "":
		return path + " of host " + m.Fact("host")
	case m.Fact("host") == host && exists(path):
		return path + ", which is still there with the same UUID"
	}
	return ""
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
