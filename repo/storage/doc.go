// Package storage keeps immutable objects by name. Local keeps them as files
// of one directory.
//
// What it promises: an object appears whole or not at all, durably, under a
// name that was free (Create); nothing is ever overwritten; reads of several
// goroutines and processes need no lock. Names are slash-separated, relative
// and clean; who calls makes them up, so they never come from a guest.
//
// durable.go holds the verbs that make a file survive a power cut; whatever
// else has to (a host's journal, a restored file) uses them too.
package storage

import "errors"

var (
	// ErrExists means that the name of a new object is taken.
	ErrExists = errors.New("object exists already")
	// ErrNotExist means that there is no object of that name.
	ErrNotExist = errors.New("no such object")
	// ErrShort means that an object ends before the range asked for.
	ErrShort = errors.New("object ends early")
)
