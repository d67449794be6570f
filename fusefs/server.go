//go:build linux

package fusefs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// readAheadKB is how far the kernel reads ahead of a sequential reader, in
// requests of up to 1 MiB. Its own 128 KiB make small requests and no overlap.
const readAheadKB = "4096"

// Server is a running mount. Its methods are safe for concurrent use.
type Server struct {
	point  string
	device string // major:minor, empty if unknown
	direct bool
	done   chan struct{} // closed when it has ended and nothing runs any more
}

// serve answers requests until the mount ends.
func serve(server *fuse.Server, list *listing, point string, direct bool, log *slog.Logger) *Server {
	s := &Server{point: point, device: deviceAt(point, log), direct: direct, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		server.Serve()
		list.close()
	}()
	return s
}

// Wait returns when the mount has ended: unmounted by whomever, its last file
// closed, its last request answered. The source may be closed then.
func (s *Server) Wait() { <-s.done }

// Unmount takes the mount out of the tree of files. If files or folders of it
// are in use it does so nevertheless, and returns ErrDetached: those who have
// them open can go on, and Wait returns when the last of them has closed. A
// process that cannot wait for that may end; the readers then get errors.
//
// It returns nil if the mount has ended already.
func (s *Server) Unmount() error {
	pause := 5 * time.Millisecond
	for try := 1; ; try++ {
		if s.gone() {
			return s.detached()
		}
		err := unmount(s.point, s.direct, false)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrBusy) {
			if s.gone() {
				return s.detached() // somebody else was quicker
			}
			return err
		}
		// A file that has just been closed keeps the mount busy for a moment.
		if try == 5 {
			break
		}
		time.Sleep(pause)
		pause *= 2
	}
	if err := unmount(s.point, s.direct, true); err != nil && !s.gone() {
		return err
	}
	return s.detached()
}

// Close is Unmount and Wait. Where files are open it waits until they are
// closed, and then returns nil.
func (s *Server) Close() error {
	if err := s.Unmount(); err != nil && !errors.Is(err, ErrDetached) {
		return err
	}
	s.Wait()
	return nil
}

// gone tells whether the mount is no longer in the tree of files. What is
// mounted on the same folder since is none of ours.
func (s *Server) gone() bool {
	select {
	case <-s.done:
		return true
	default:
	}
	table, err := mountTable()
	if err != nil {
		return false
	}
	m := at(table, s.point)
	return !m.ours() || s.device != "" && m.device != s.device
}

// detached is the result of a mount that has left the tree: nil once it has
// ended, which takes a moment.
func (s *Server) detached() error {
	select {
	case <-s.done:
		return nil
	case <-time.After(100 * time.Millisecond):
		return fmt.Errorf("%s: %w", s.point, ErrDetached)
	}
}

// deviceAt tells by which device the kernel knows the mount on point.
func deviceAt(point string, log *slog.Logger) string {
	table, err := mountTable()
	if err != nil {
		log.Debug("mount is not identified", "err", err)
		return ""
	}
	if m := at(table, point); m.ours() {
		return m.device
	}
	return ""
}

// raiseReadAhead lets the kernel read further ahead, where it may be told to:
// root may.
func raiseReadAhead(device string, log *slog.Logger) {
	if device == "" {
		return
	}
	name := filepath.Join("/sys/class/bdi", device, "read_ahead_kb")
	if err := os.WriteFile(name, []byte(readAheadKB), 0); err != nil {
		log.Debug("the kernel's read-ahead stays as it is", "err", err)
	}
}
