//go:build !linux

package storage

func createPassing(tmp string) (*passing, error) { return createNamed(tmp) }
