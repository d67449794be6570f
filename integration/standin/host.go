//go:build linux

package standin

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"granary/integration/guest"
	"granary/integration/standin/machine"
)

// host is the process that a running machine is: the guest, the machine's lock
// directories and the socket by which calls reach it.
type host struct {
	vm    *vm
	guest *guest.Guest
	locks *machine.Locks
	done  chan struct{} // closed by end, upon which the process ends
	end   func()

	mu      sync.Mutex // held for one request; guards freezer
	freezer net.Conn   // the call that froze the guest, while it is connected
}

// runHost is the life of a machine's process. It closes lock once it has booted.
func runHost(stateDir, vmx string, lock *os.File) error {
	defer lock.Close()
	state, err := New(stateDir)
	if err != nil {
		return err
	}
	v, err := state.vm(vmx)
	if err != nil {
		return err
	}
	alive, err := v.comeAlive()
	if err != nil {
		return err
	}
	defer alive.Close()
	if err := v.writeLife(); err != nil {
		return err
	}
	// Sockets of the disk servers must not outlive a killed guest elsewhere.
	if err := errors.Join(os.RemoveAll(v.path("run")), os.Mkdir(v.path("run"), 0o755), os.Setenv("TMPDIR", v.path("run"))); err != nil {
		return err
	}
	h := &host{vm: v, locks: machine.NewLocks(os.Getpid()), done: make(chan struct{})}
	h.end = sync.OnceFunc(func() { close(h.done) })
	if err := h.boot(alive); err != nil {
		return err
	}
	defer h.guest.Kill()
	listener, err := h.listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	lock.Close()
	go h.serve(listener)
	select {
	case <-h.done:
		return h.locks.Hold(nil)
	case <-h.guest.Ended():
		<-time.After(100 * time.Millisecond) // an end by request reports first
		return h.locks.Hold(nil)
	}
}

func (h *host) boot(alive *os.File) error {
	settings, err := h.vm.state.settings()
	if err != nil {
		return err
	}
	pause, err := settings.pause()
	if err != nil {
		return err
	}
	m, err := machine.Open(h.vm.vmx, h.vm.path("journal"))
	if err != nil {
		return err
	}
	h.guest, err = guest.Boot(context.Background(), guest.Config{
		Disks: m.DiskPaths(), Pause: pause, Cache: settings.Cache, Guard: alive,
	})
	if err != nil {
		return err
	}
	return h.relock(m)
}

// relock makes the lock directories those of the disks that m has now.
func (h *host) relock(m *machine.Machine) error {
	files, err := m.Locked()
	if err != nil {
		return err
	}
	return h.locks.Hold(files)
}

func (h *host) listen() (listener net.Listener, err error) {
	if err := os.Remove(h.vm.path("control")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = h.vm.socketPath(func(path string) (err error) {
		listener, err = net.Listen("unix", path)
		return err
	})
	if err != nil {
		return nil, err
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false) // its path is valid only within socketPath
	return listener, nil
}

func (h *host) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // the process ends
		}
		go h.attend(conn)
	}
}

// attend answers one call until it hangs up.
func (h *host) attend(conn net.Conn) {
	defer conn.Close()
	requests, replies := gob.NewDecoder(conn), gob.NewEncoder(conn)
	for {
		var q request
		if err := requests.Decode(&q); err != nil {
			break
		}
		err := h.answer(conn, q)
		status, _ := h.guest.Status() // that it has ended is no news here
		r := reply{Status: status}
		if err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			break
		}
		if err == nil && (q.Do == doShutdown || q.Do == doKill) {
			h.end()
			return
		}
	}
	h.mu.Lock()
	deserted := h.freezer == conn
	if deserted {
		h.freezer = nil
	}
	h.mu.Unlock()
	if deserted {
		h.rescue()
	}
}

func (h *host) answer(conn net.Conn, q request) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if q.Do != doStatus && h.freezer != conn {
		// This call has the machine's lock, so one that froze the guest before
		// is dead, whether its connection has ended yet or not; what it had
		// begun is finished.
		h.freezer = nil
		if err := h.thawDeserted(); err != nil {
			return err
		}
	}
	switch q.Do {
	case doStatus:
		_, err := h.guest.Status()
		return err
	case doPause:
		return h.guest.Pause()
	case doUnpause:
		return h.guest.Unpause()
	case doQuiesce:
		return h.guest.Quiesce()
	case doResume:
		return h.guest.Resume()
	case doFreeze:
		h.freezer = conn
		return h.guest.Freeze()
	case doThaw:
		h.freezer = nil
		return h.thaw(q.Disks)
	case doShutdown:
		return h.guest.Shutdown(q.Flag)
	case doKill:
		h.guest.Kill()
		return nil
	}
	return fmt.Errorf("unknown request %q", q.Do)
}

func (h *host) thaw(disks []string) error {
	if err := h.guest.Thaw(context.Background(), disks); err != nil {
		return err
	}
	m, err := machine.Open(h.vm.vmx, h.vm.path("journal"))
	if err != nil {
		return err
	}
	return h.relock(m)
}

// thawDeserted thaws a guest whose freezer is gone, with the disks that the
// .vmx names. The caller holds mu.
func (h *host) thawDeserted() error {
	if status, err := h.guest.Status(); err != nil || !status.Frozen || h.freezer != nil {
		return err
	}
	m, err := machine.Open(h.vm.vmx, h.vm.path("journal"))
	if err != nil {
		return err
	}
	return h.thaw(m.DiskPaths())
}

// rescue finishes what a killed call had begun and lets the guest go on.
func (h *host) rescue() {
	lock, err := h.vm.lock(true)
	if err != nil {
		h.fail(err)
		return
	}
	defer lock.Close()
	if _, err := h.vm.open(lock); err != nil {
		h.fail(err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.thawDeserted(); err != nil && !errors.Is(err, guest.ErrEnded) {
		h.fail(err)
	}
}

// fail notes why the guest cannot go on; it stays frozen for whoever looks.
func (h *host) fail(err error) { h.vm.log("guest", "cannot go on: "+err.Error()) }
