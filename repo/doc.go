// Package repo is the repository: generations of virtual machines, each a set
// of files, each file a tree of nodes over deduplicated grains, the grains in
// packs.
//
// What it promises:
//   - A generation that Writer.Commit returned survives a power cut, and is
//     never changed. One that was not committed does not exist. One that was
//     forgotten is not listed any more, and takes nothing from the others.
//   - Bytes are checked against their ID before they leave the package: damage
//     is a DamageError, never wrong bytes.
//   - Memory does not grow with the size of a file or of the repository.
//   - Several processes may read and write one repository at once.
//
// Start from Init and Open; then Repo.Generations and Repo.OpenFile to read,
// Repo.NewWriter to write, Repo.Check to verify, Repo.Restore to copy out,
// Repo.Forget to give a generation up; package retention says which.
// The bytes on disk are docs/format.md, implemented by package format.
package repo

import (
	"errors"
	"fmt"

	"granary/repo/format"
)

var (
	// ErrNoRepository means that nothing is there, or something else.
	ErrNoRepository = errors.New("not a granary repository")
	// ErrNotEmpty means that Init found something in the folder.
	ErrNotEmpty = errors.New("folder is not empty")
	// ErrNotFound means that no VM, generation or file has that name.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous means that several generations match a prefix.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrChanged means that a file changed while it was read.
	ErrChanged = errors.New("file changed while it was read")
	// ErrRevoked means that a prune ended the session before its commit.
	ErrRevoked = errors.New("session was revoked by a prune")
)

// DamageError says which stored bytes are lost, and to whom. It unwraps to
// format.ErrCorrupt or to what the storage said.
type DamageError struct {
	Object     string    // the damaged or missing object
	Grain      format.ID // zero where a whole object is meant
	Generation string    // VM@GENERATION; empty if not known
	File       string    // empty if not known
	Offset     int64     // of the damage in the file
	Err        error
}

func (e *DamageError) Error() string {
	text := "damage in " + e.Object
	if !e.Grain.IsZero() {
		text += fmt.Sprintf(", grain %s", e.Grain)
	}
	if e.File != "" {
		text += fmt.Sprintf(" (%s, %s at byte %d)", e.Generation, e.File, e.Offset)
	}
	return fmt.Sprintf("%s: %v", text, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }
