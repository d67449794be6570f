package vmdk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// probeSize is how much of a file is read to find out what it is. It covers
// the header of a sparse extent, and most descriptors as a whole.
const probeSize = 4096

// ReadDescriptor reads the descriptor of a disk from a file of the given size:
// a text file, or a sparse extent that embeds one. It returns ErrNoDescriptor
// for an extent without one and for any other file, after a single small read;
// ErrBadHeader or ErrBadDescriptor for a damaged file; else the error of
// reading.
func ReadDescriptor(r io.ReaderAt, size int64) (*Descriptor, error) {
	if size < 0 {
		return nil, fmt.Errorf("vmdk: negative file size %d", size)
	}
	probe, err := readRange(r, 0, min(size, probeSize))
	if err != nil {
		return nil, fmt.Errorf("vmdk: read beginning of file: %w", err)
	}
	switch {
	case bytes.HasPrefix(probe, []byte(sparseMagic)):
		return readEmbedded(r, size, probe)
	case bytes.HasPrefix(probe, []byte(cowdMagic)):
		return nil, fmt.Errorf("vmdk: COWD extent, its descriptor is a file of its own: %w", ErrNoDescriptor)
	case !looksLikeDescriptor(probe):
		return nil, fmt.Errorf("vmdk: neither a descriptor nor a sparse extent: %w", ErrNoDescriptor)
	case size > maxDescriptor:
		return nil, fmt.Errorf("vmdk: begins as a descriptor, but %d bytes are too large for one: %w",
			size, ErrNoDescriptor)
	}
	data, err := readRange(r, 0, size)
	if err != nil {
		return nil, fmt.Errorf("vmdk: read descriptor: %w", err)
	}
	return ParseDescriptor(data)
}

// readEmbedded reads the descriptor that lies inside a sparse extent, whose
// beginning is probe.
func readEmbedded(r io.ReaderAt, size int64, probe []byte) (*Descriptor, error) {
	h, err := ParseSparseHeader(probe)
	if err != nil {
		return nil, err
	}
	if h.DescriptorOffset == 0 || h.DescriptorSize == 0 {
		return nil, fmt.Errorf("vmdk: sparse extent without a descriptor: %w", ErrNoDescriptor)
	}
	// The header's own checks rule out an overflow.
	offset, length := h.DescriptorOffset*SectorSize, h.DescriptorSize*SectorSize
	if length > maxDescriptor {
		return nil, fmt.Errorf("vmdk: embedded descriptor of %d bytes, at most %d are read: %w",
			length, maxDescriptor, ErrBadDescriptor)
	}
	if offset > size || length > size-offset {
		return nil, fmt.Errorf("vmdk: embedded descriptor, %d bytes at %d, ends beyond the file of %d: %w",
			length, offset, size, ErrBadDescriptor)
	}
	data, err := readRange(r, offset, length)
	if err != nil {
		return nil, fmt.Errorf("vmdk: read embedded descriptor: %w", err)
	}
	// An extent of a split disk reserves the room but leaves it empty.
	if data[0] == 0 {
		return nil, fmt.Errorf("vmdk: sparse extent with an empty descriptor: %w", ErrNoDescriptor)
	}
	d, err := ParseDescriptor(data)
	if errors.Is(err, ErrNoDescriptor) {
		return nil, fmt.Errorf("vmdk: sparse extent holds no text where its descriptor should be: %w", ErrBadDescriptor)
	}
	return d, err
}

// readRange reads exactly length bytes.
func readRange(r io.ReaderAt, offset, length int64) ([]byte, error) {
	data := make([]byte, length)
	n, err := r.ReadAt(data, offset)
	if n == len(data) {
		return data, nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}
