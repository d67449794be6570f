// Package inuse tells whether a file of a virtual machine is in use: locked by
// VMware, or open for writing. It knows only of locks that can be seen and of
// processes of this host: that it finds nothing is no proof.
//
// Start from LockOf and ForWriting.
package inuse

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"syscall"
)

// lockMember matches what VMware puts into a lock folder: M is held by a
// running VM, D and E by who waits for it.
var lockMember = regexp.MustCompile(`^[MDE][0-9]{5}\.lck$`)

// Folder is where files lie; an *os.Root is one.
type Folder interface {
	Lstat(name string) (fs.FileInfo, error)
	Open(name string) (*os.File, error)
}

// Host is the Folder of all paths of the host.
type Host struct{}

// Lstat is os.Lstat.
func (Host) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

// Open is os.Open.
func (Host) Open(name string) (*os.File, error) { return os.Open(name) }

// LockOf names what locks a file: a member of its lock folder, or a file, as
// old products have it. It is empty for a file that is not locked.
func LockOf(in Folder, name string) (string, error) {
	lock := name + ".lck"
	info, err := in.Lstat(lock)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return lock, nil
	}
	folder, err := in.Open(lock)
	if err != nil {
		return "", err
	}
	defer folder.Close()
	members, err := folder.ReadDir(-1)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if lockMember.MatchString(m.Name()) {
			return lock + "/" + m.Name(), nil
		}
	}
	return "", nil
}
