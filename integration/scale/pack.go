//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"granary/repo/format"
)

// What a full pack of data usually holds: grains of 64 KiB, compressed to half.
const (
	plainGrain  = format.DefaultGrain
	storedGrain = plainGrain / 2
	packGrains  = 16 << 20 / storedGrain
)

// session writes the packs of one generation. Nothing is synced: what a crash
// leaves is made again.
type session struct {
	dir    string // of the repository
	repo   format.RepoID
	id     format.SessionID
	packs  []format.ManifestPack
	data   []format.Entry // not yet in a pack
	nodes  []format.Entry
	plain  []byte // of nodes
	stored int64
	unique int64
}

func newSession(dir string, repo format.RepoID) (*session, error) {
	s := &session{dir: dir, repo: repo, id: format.NewSessionID()}
	return s, os.MkdirAll(filepath.Join(dir, "packs", s.id.String()), 0o700)
}

// grain adds a grain of data, whose bytes become a hole.
func (s *session) grain(id format.ID, plain int) error {
	s.data = append(s.data, format.Entry{ID: id, Stored: uint32(min(plain, storedGrain)), Plain: uint32(plain), Encoding: format.Zstd})
	if len(s.data) < packGrains {
		return nil
	}
	return s.flushData()
}

// node adds a node with all its bytes.
func (s *session) node(id format.ID, plain []byte) error {
	s.nodes = append(s.nodes, format.Entry{ID: id, Stored: format.NodeSize, Plain: format.NodeSize, Encoding: format.Raw})
	s.plain = append(s.plain, plain...)
	if len(s.plain) < 16<<20 {
		return nil
	}
	return s.flushNodes()
}

func (s *session) flush() error { return errors.Join(s.flushData(), s.flushNodes()) }

func (s *session) flushData() error {
	err := s.write(format.Data, s.data, nil)
	s.data = s.data[:0]
	return err
}

func (s *session) flushNodes() error {
	err := s.write(format.Nodes, s.nodes, s.plain)
	s.nodes, s.plain = s.nodes[:0], s.plain[:0]
	return err
}

// write makes a pack of entries. Where grains is nil, they are a hole.
func (s *session) write(kind format.PackKind, entries []format.Entry, grains []byte) error {
	if len(entries) == 0 {
		return nil
	}
	name := format.PackName{Session: s.id, Number: uint32(len(s.packs) + 1)}
	header := format.AppendPackHeader(nil, s.repo, name, kind)
	payload := int64(0)
	for _, e := range entries {
		payload += int64(e.Stored)
		s.unique += int64(e.Plain)
	}
	// The table's checksum covers the header and not the grains.
	table := format.AppendTable(header, format.PackTable{Name: name, Kind: kind, Entries: entries})[len(header):]
	end := int64(len(header)) + payload
	f, err := os.Create(filepath.Join(s.dir, name.String()))
	if err != nil {
		return fmt.Errorf("make pack: %w", err)
	}
	_, err = f.Write(append(header[:len(header):len(header)], grains...))
	if err == nil {
		_, err = f.WriteAt(table, end)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make pack: %w", err)
	}
	size := end + int64(len(table))
	s.stored += size
	s.packs = append(s.packs, format.ManifestPack{Number: name.Number, Entries: uint32(len(entries)), Size: uint32(size), Kind: kind})
	return nil
}

// commit writes the manifest.
func (s *session) commit(m *format.Manifest) error {
	if err := s.flush(); err != nil {
		return err
	}
	m.Session, m.Packs, m.NewBytes, m.StoredBytes, m.ReadBytes = s.id, s.packs, s.unique, s.stored, s.unique
	b, err := m.Marshal(s.repo)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, format.ManifestName(s.id)), b, 0o600)
}
