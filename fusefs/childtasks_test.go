//go:build linux

package fusefs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"granary/fusefs"
	"granary/repo"
)

// treeEntry is a file, folder or link. Names are quoted: they are bytes, which
// JSON cannot hold.
type treeEntry struct {
	Path   string // quoted, below the root
	Mode   uint32
	Ino    uint64
	Target string
	SHA256 string
}

func childTree(args []string) (any, error) {
	list := []treeEntry{}
	err := filepath.WalkDir(args[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == args[0] {
			return err
		}
		var s unix.Stat_t
		if err := unix.Lstat(path, &s); err != nil {
			return err
		}
		e := treeEntry{Path: strconv.Quote(path[len(args[0])+1:]), Mode: s.Mode, Ino: s.Ino}
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			e.Target, err = os.Readlink(path)
		case d.Type().IsRegular() && s.Size < 1<<30:
			e.SHA256, err = hashOf(path)
		}
		list = append(list, e)
		return err
	})
	return list, err
}

func hashOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

type statAnswer struct {
	Ino, Nlink             uint64
	Mode, UID, GID         uint32
	Size, Blocks, Blksize  int64
	Modified, ModifiedNsec int64
}

func childStat(path string) (statAnswer, error) {
	var s unix.Stat_t
	err := unix.Lstat(path, &s)
	return statAnswer{Ino: s.Ino, Nlink: uint64(s.Nlink), Mode: s.Mode, UID: s.Uid, GID: s.Gid, Size: s.Size,
		Blocks: s.Blocks, Blksize: int64(s.Blksize), Modified: s.Mtim.Sec, ModifiedNsec: s.Mtim.Nsec}, err
}

func childStatfs(args []string) (any, error) {
	var s unix.Statfs_t
	err := unix.Statfs(args[0], &s)
	return s, err
}

// childEntries reads folders as they are, with the inode numbers of entries.
func childEntries(args []string) (any, error) {
	var lists []map[string]uint64
	for _, folder := range args {
		inodes, err := entriesOf(folder)
		if err != nil {
			return nil, err
		}
		lists = append(lists, inodes)
	}
	return lists, nil
}

func entriesOf(folder string) (map[string]uint64, error) {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	inodes := map[string]uint64{}
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n == 0 {
			return inodes, err
		}
		for b := buf[:n]; len(b) > 0; {
			// A linux_dirent64: number, offset, length, type, name.
			length := binary.LittleEndian.Uint16(b[16:])
			name, _, _ := bytes.Cut(b[19:length], []byte{0})
			inodes[strconv.Quote(string(name))] = binary.LittleEndian.Uint64(b)
			b = b[length:]
		}
	}
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// childRead gives the bytes of a file from args[1], args[2] of them.
func childRead(args []string) (any, error) {
	f, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	p := make([]byte, number(args[2]))
	n, err := f.ReadAt(p, number(args[1]))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return p[:n], err
}

// childSeek seeks by args[1] from each of the further arguments, and gives -1
// for ENXIO.
func childSeek(args []string) (any, error) {
	fd, err := unix.Open(args[0], unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	whence := map[string]int{"data": unix.SEEK_DATA, "hole": unix.SEEK_HOLE}[args[1]]
	var found []int64
	for _, from := range args[2:] {
		off, err := unix.Seek(fd, number(from), whence)
		if errors.Is(err, unix.ENXIO) {
			off, err = -1, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, off)
	}
	return found, nil
}

// childGetxattr reads the attribute args[1] into args[2] bytes.
func childGetxattr(args []string) (any, error) {
	p := make([]byte, number(args[2]))
	n, err := unix.Lgetxattr(args[0], args[1], p)
	if err != nil {
		return nil, err
	}
	return struct {
		Size  int
		Value string
	}{n, string(p[:min(n, len(p))])}, nil
}

func childListxattr(args []string) (any, error) {
	p := make([]byte, number(args[1]))
	n, err := unix.Llistxattr(args[0], p)
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(p[:n]), "\x00"), "\x00")
	sort.Strings(names)
	return names, nil
}

// childCompare reads the file args[0] in many pieces and in many goroutines,
// while signals rain, and compares with the file args[1].
func childCompare(args []string) (any, error) {
	want, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = unix.Kill(os.Getpid(), unix.SIGURG)
			}
		}
	}()
	const readers = 16
	errs := make([]error, readers)
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() { errs[i] = comparePieces(args[0], want, i) })
	}
	wg.Wait()
	return nil, errors.Join(errs...)
}

func comparePieces(path string, want []byte, seed int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	piece := []int{4096, 65536, 100_001, 1 << 20}[seed%4]
	p := make([]byte, piece)
	for i := range 100 {
		off := (seed*7_654_321 + i*piece) % len(want) // sequential, from different places
		if seed%2 == 1 {
			off = (seed*1_234_567 + i*9_876_543) % len(want)
		}
		n, err := f.ReadAt(p[:min(piece, len(want)-off)], int64(off))
		if err != nil {
			return fmt.Errorf("at %d: %w", off, err)
		}
		if !bytes.Equal(p[:n], want[off:off+n]) {
			return fmt.Errorf("other bytes at %d", off)
		}
	}
	return nil
}

// childDamage reads a file grain by grain, with O_DIRECT if args[2] says so,
// and lists the grains that fail with EIO. It compares the others with the
// file args[1].
func childDamage(args []string) (any, error) {
	want, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	flags := unix.O_RDONLY
	if args[2] == "direct" {
		flags |= unix.O_DIRECT
	}
	fd, err := unix.Open(args[0], flags, 0)
	if err != nil {
		return nil, err
	}
	const grain = 64 << 10
	p, err := unix.Mmap(-1, 0, grain, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS) // aligned
	if err != nil {
		return nil, err
	}
	bad := []int{}
	for off := 0; off < len(want); off += grain {
		n, err := unix.Pread(fd, p, int64(off))
		switch {
		case errors.Is(err, unix.EIO):
			bad = append(bad, off/grain)
		case err != nil:
			return nil, err
		case n != min(grain, len(want)-off) || !bytes.Equal(p[:n], want[off:off+n]):
			return nil, fmt.Errorf("other bytes at %d", off)
		}
	}
	return bad, nil
}

// childWrite tries whatever would change a mount, and gives what each said.
func childWrite(args []string) (any, error) {
	folder, file := args[0], args[1]
	open := func(path string, flags int) error {
		fd, err := unix.Open(path, flags, 0o600)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	}
	said := map[string]syscall.Errno{}
	for name, err := range map[string]error{
		"create":   open(folder+"/new", unix.O_CREAT|unix.O_WRONLY),
		"write":    open(file, unix.O_RDWR),
		"truncate": unix.Truncate(file, 0),
		"mkdir":    unix.Mkdir(folder+"/new", 0o700),
		"rmdir":    unix.Rmdir(folder),
		"unlink":   unix.Unlink(file),
		"rename":   unix.Rename(file, file+"2"),
		"link":     unix.Link(file, folder+"/new"),
		"symlink":  unix.Symlink("x", folder+"/new"),
		"chmod":    unix.Chmod(file, 0o777),
		"utimes":   unix.Utimes(file, nil),
		"setxattr": unix.Setxattr(file, "user.x", []byte("x"), 0),
	} {
		var errno syscall.Errno
		errors.As(err, &errno)
		said[name] = errno
	}
	return said, nil
}

// childHold opens a file, says so, and reads args[1] bytes from args[2] once
// its input ends.
func childHold(args []string) (any, error) {
	f, err := os.Open(args[0])
	if err != nil {
		return nil, err
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return nil, err
	}
	p := make([]byte, number(args[1]))
	n, err := f.ReadAt(p, number(args[2]))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return p[:n], err
}

// childServe mounts the repository args[0] on args[1], until it is unmounted.
// It starts a program, too, that outlives it if it is killed.
func childServe(args []string) (any, error) {
	ctx := context.Background()
	r, err := repo.Open(ctx, args[0], nil)
	if err != nil {
		return nil, err
	}
	s, err := fusefs.Mount(ctx, r, args[1], nil)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	cat := exec.Command("cat")
	cat.Stdin = os.Stdin
	if err := cat.Start(); err != nil {
		return nil, errors.Join(err, s.Close(), r.Close())
	}
	fmt.Println("open")
	s.Wait()
	return nil, r.Close()
}
