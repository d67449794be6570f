//go:build linux

package standin

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"granary/integration/guest"
	"granary/integration/standin/dictionary"
	"granary/integration/standin/machine"
)

// vm is what the state knows of one virtual machine.
type vm struct {
	state *State
	dir   string
	vmx   string // absolute; empty for one found in the state
}

// life is what a guest says about itself when it has started, as gob: that
// leaves paths as they are.
type life struct {
	VMX     string
	Started time.Time
}

// vm returns the machine whose .vmx is at path. Several paths to one file are
// one machine.
func (s *State) vm(path string) (*vm, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find machine: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("find machine: %w", err)
	}
	sum := sha256.Sum256([]byte(real))
	v := &vm{state: s, dir: s.path("vms/" + hex.EncodeToString(sum[:8])), vmx: path}
	if err := os.MkdirAll(v.dir, 0o755); err != nil {
		return nil, fmt.Errorf("find machine: %w", err)
	}
	return v, nil
}

func (v *vm) path(name string) string { return filepath.Join(v.dir, name) }

// errBusy says that another call has the machine.
var errBusy = errors.New("another call has the machine")

// lock keeps other calls away from the machine until the file is closed, by
// this process and by all that inherited it.
func (v *vm) lock(wait bool) (*os.File, error) {
	file, err := os.OpenFile(v.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock machine: %w", err)
	}
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err = unix.Flock(int(file.Fd()), how)
		if err == nil {
			return file, nil
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, fmt.Errorf("lock machine: %w", err)
	}
}

// open reads the machine's .vmx and finishes what a killed call left. The
// caller holds lock.
func (v *vm) open(lock *os.File) (*machine.Machine, error) {
	m, err := machine.Open(v.vmx, v.path("journal"))
	if err != nil {
		return nil, err
	}
	m.Guard(lock)
	return m, m.Recover()
}

// lifeLock is the lock that a guest and its disk servers hold while one of
// them lives. It is asked for without being taken, so asking disturbs nobody.
func lifeLock() unix.Flock_t {
	return unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
}

// comeAlive takes the life lock; the file stays open while the guest lives.
func (v *vm) comeAlive() (*os.File, error) {
	file, err := os.OpenFile(v.path("alive"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	lock := lifeLock()
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		file.Close()
		return nil, fmt.Errorf("another guest of this machine lives: %w", err)
	}
	return file, nil
}

// alive tells whether the machine's guest lives.
func (v *vm) alive() bool {
	file, err := os.OpenFile(v.path("alive"), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	lock := lifeLock()
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// life returns what the living guest says of itself; not ok without one.
func (v *vm) life() (life, bool) {
	var l life
	data, err := os.ReadFile(v.path("life"))
	if err != nil || gob.NewDecoder(bytes.NewReader(data)).Decode(&l) != nil {
		return l, false
	}
	return l, v.alive()
}

// writeLife notes that this process is the machine's.
func (v *vm) writeLife() error {
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(life{VMX: v.vmx, Started: time.Now()}); err != nil {
		return err
	}
	return dictionary.Replace(v.path("life"), data.Bytes())
}

// goneDeadline bounds the wait for the end of a guest.
const goneDeadline = 20 * time.Second

// awaitGone returns once no guest lives.
func (v *vm) awaitGone() error {
	for deadline := time.Now().Add(goneDeadline); v.alive(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("the guest does not end")
		}
	}
	return nil
}

func (v *vm) guestStatus() (guest.Status, error) {
	reply, err := v.ask(request{Do: doStatus})
	return reply.Status, err
}
