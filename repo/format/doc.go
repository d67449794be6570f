// Package format is the bytes of a repository as docs/format.md specifies
// them: IDs, records (config, sessions, manifests, forget records), packs and tree
// nodes.
//
// It encodes and decodes, and touches neither storage nor index. Each decoder
// refuses what the specification refuses, never panics, never allocates more
// than the input's size justifies, and accepts exactly one encoding of a
// content: what parses re-encodes to the same bytes.
//
// Start from ID and Hasher, PackTable, Manifest and Tree.
package format

import "errors"

// Version of the format that this package writes, and the newest it reads.
const Version = 1

var (
	// ErrNotRepository means that the bytes are not one of ours at all.
	ErrNotRepository = errors.New("not a granary object")
	// ErrNewer means a format, feature or suite that a later granary wrote.
	ErrNewer = errors.New("written by a newer granary")
	// ErrCorrupt means that the bytes are damaged or under a wrong name.
	ErrCorrupt = errors.New("damaged")
)
