package vmdk

import "errors"

// The errors below are returned wrapped in text that says where and why. Any
// other error is one of reading the file.
var (
	// ErrNoDescriptor means that a file is not, and does not hold, a disk
	// descriptor: it is a bare extent or something else altogether.
	ErrNoDescriptor = errors.New("no disk descriptor")

	// ErrBadDescriptor means that there is a descriptor, but one that is
	// damaged, incomplete or out of bounds.
	ErrBadDescriptor = errors.New("bad disk descriptor")

	// ErrBadHeader means that the header of a sparse extent is truncated,
	// damaged, or of a version not known here.
	ErrBadHeader = errors.New("bad extent header")

	// ErrTruncated means that an extent's file ends before what its tables
	// name.
	ErrTruncated = errors.New("extent is truncated")
)
