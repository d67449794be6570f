//go:build linux

package machine

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"granary/integration/standin/dictionary"
)

// journal is what is left to do to a machine, so that whoever comes after a
// killed owner can finish it. Each step may be done twice. It is kept as gob,
// which leaves paths as they are.
type journal struct {
	Reparent []link // children whose parent's CID has changed, or its name
	Write    []file
	Remove   []string
}

type link struct {
	Child  string
	Parent string
}

type file struct {
	Path string
	Data []byte
}

// begin records j: from now on Recover carries it out.
func (m *Machine) begin(j journal) error {
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(j); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := dictionary.Replace(m.journal, data.Bytes()); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// carryOut records j, does it and reads the .vmx again.
func (m *Machine) carryOut(j journal) error {
	if err := m.begin(j); err != nil {
		return err
	}
	return m.Recover()
}

// Recover finishes what the journal says, if there is one.
func (m *Machine) Recover() error {
	data, err := os.ReadFile(m.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	var j journal
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&j); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if err := j.apply(); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	if err := os.Remove(m.journal); err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	return m.reload()
}

func (j journal) apply() error {
	for _, l := range j.Reparent {
		if err := reparent(l.Child, l.Parent); err != nil {
			return err
		}
	}
	for _, f := range j.Write {
		if err := dictionary.Replace(f.Path, f.Data); err != nil {
			return err
		}
	}
	for _, path := range j.Remove {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
