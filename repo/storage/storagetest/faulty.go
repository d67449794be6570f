package storagetest

import (
	"context"
	"errors"
	"sync"
)

// Storage is what both a storage and a Faulty one offer.
type Storage interface {
	Create(ctx context.Context, name string, parts ...[]byte) error
	ReadAt(ctx context.Context, name string, p []byte, off int64) error
	Size(ctx context.Context, name string) (int64, error)
	List(ctx context.Context, prefix string, fn func(name string, size int64) error) error
	Remove(ctx context.Context, name string) error
}

// Op is a kind of storage operation, for the choice of what goes wrong.
type Op string

// The operations of a Storage.
const (
	OpCreate Op = "create"
	OpRead   Op = "read"
	OpSize   Op = "size"
	OpList   Op = "list"
	OpRemove Op = "remove"
)

// Fault is how an operation goes wrong.
type Fault int

// The faults. Fail does nothing and reports ErrInjected. FailAfter does the
// work and reports ErrInjected all the same, as a lost answer. Truncate drops
// the second half of what is created, or zeroes the second half of what is
// read. Corrupt flips a bit in the middle of what is created or read.
const (
	Fail Fault = iota
	FailAfter
	Truncate
	Corrupt
)

// ErrInjected is the error of a fault.
var ErrInjected = errors.New("injected fault")

// Faulty passes operations to a storage, and lets those go wrong that Plan
// picks. It is safe for concurrent use.
type Faulty struct {
	Storage
	mu    sync.Mutex // guards count
	count int
	// Plan is asked for each operation, counted from 1; false lets it pass.
	Plan func(n int, op Op, name string) (Fault, bool)
}

// FailNth is a plan: the n-th operation goes wrong, and each later one too if
// forever is set (a storage that has vanished).
func FailNth(n int, fault Fault, forever bool) func(int, Op, string) (Fault, bool) {
	return func(i int, _ Op, _ string) (Fault, bool) {
		return fault, i == n || forever && i > n
	}
}

// Operations is the number of operations so far.
func (f *Faulty) Operations() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *Faulty) next(op Op, name string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if f.Plan == nil {
		return 0, false
	}
	return f.Plan(f.count, op, name)
}

// Create passes on or spoils the creation of an object.
func (f *Faulty) Create(ctx context.Context, name string, parts ...[]byte) error {
	fault, bad := f.next(OpCreate, name)
	if !bad {
		return f.Storage.Create(ctx, name, parts...)
	}
	if fault == Fail {
		return ErrInjected
	}
	var whole []byte
	for _, p := range parts {
		whole = append(whole, p...)
	}
	whole = spoil(fault, whole)
	err := f.Storage.Create(ctx, name, whole)
	if fault == FailAfter {
		return errors.Join(err, ErrInjected)
	}
	return err
}

// ReadAt passes on or spoils a read.
func (f *Faulty) ReadAt(ctx context.Context, name string, p []byte, off int64) error {
	fault, bad := f.next(OpRead, name)
	if bad && fault == Fail {
		return ErrInjected
	}
	err := f.Storage.ReadAt(ctx, name, p, off)
	switch {
	case bad && fault == FailAfter:
		return ErrInjected
	case bad && fault == Truncate:
		clear(p[len(p)/2:])
	case bad:
		spoil(fault, p)
	}
	return err
}

func spoil(fault Fault, b []byte) []byte {
	switch {
	case fault == Truncate:
		return b[:len(b)/2]
	case fault == Corrupt && len(b) > 0:
		b[len(b)/2] ^= 0x10
	}
	return b
}

// Size passes on or fails.
func (f *Faulty) Size(ctx context.Context, name string) (int64, error) {
	if _, bad := f.next(OpSize, name); bad {
		return 0, ErrInjected
	}
	return f.Storage.Size(ctx, name)
}

// List passes on or fails.
func (f *Faulty) List(ctx context.Context, prefix string, fn func(string, int64) error) error {
	if _, bad := f.next(OpList, prefix); bad {
		return ErrInjected
	}
	return f.Storage.List(ctx, prefix, fn)
}

// Remove passes on or fails.
func (f *Faulty) Remove(ctx context.Context, name string) error {
	if _, bad := f.next(OpRemove, name); bad {
		return ErrInjected
	}
	return f.Storage.Remove(ctx, name)
}
