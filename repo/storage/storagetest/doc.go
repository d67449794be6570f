// Package storagetest tests storages: Conformance is what each must stand,
// Faulty is one that misbehaves on demand.
package storagetest
