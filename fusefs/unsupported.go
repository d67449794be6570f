//go:build !linux

package fusefs

import "context"

// Server would be a running mount; on this system there is none.
type Server struct{}

// Mount returns ErrUnsupported on this system.
func Mount(context.Context, Source, string, *Options) (*Server, error) {
	return nil, ErrUnsupported
}

// Unmount returns ErrUnsupported on this system.
func Unmount(string) error { return ErrUnsupported }

// Wait returns at once: nothing is mounted.
func (s *Server) Wait() {}

// Unmount returns ErrUnsupported on this system.
func (s *Server) Unmount() error { return ErrUnsupported }

// Close returns ErrUnsupported on this system.
func (s *Server) Close() error { return ErrUnsupported }
