//go:build linux

package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attach makes the mount on point and returns the descriptor by which its
// requests come. go-fuse could do so itself; but it would let programs that
// this process starts inherit the descriptor, and then a mount whose server
// has died hangs instead of failing; it would open a file of the mount from
// here; and what fusermount3 says would not reach the error.
func attach(point, location string, allowOther, direct bool) (fd int, err error) {
	options := []string{"default_permissions", fmt.Sprintf("max_read=%d", blockSize)}
	if allowOther {
		options = append(options, "allow_other")
	}
	if direct {
		return attachDirectly(point, location, options)
	}
	return attachByFusermount(point, location, options)
}

func attachDirectly(point, location string, options []string) (fd int, err error) {
	fd, err = unix.Open(fuseDevice, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, missingDevice(err)
	}
	options = append(options, fmt.Sprintf("fd=%d", fd), fmt.Sprintf("rootmode=%o", unix.S_IFDIR),
		fmt.Sprintf("user_id=%d", os.Geteuid()), fmt.Sprintf("group_id=%d", os.Getegid()))
	err = unix.Mount(location, point, mountType, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, strings.Join(options, ","))
	if err == nil {
		return fd, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: %w: root lacks CAP_SYS_ADMIN here; a container needs --cap-add SYS_ADMIN", ErrNoFUSE, err)
	}
	return -1, errors.Join(err, unix.Close(fd))
}

// commVariable tells fusermount3 by which of its descriptors to send ours.
const commVariable = "_FUSE_COMMFD"

func attachByFusermount(point, location string, options []string) (fd int, err error) {
	program, err := fusermount()
	if err != nil {
		return -1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "fusermount"), os.NewFile(uintptr(pair[1]), "fusermount")
	defer ours.Close()
	defer theirs.Close()

	name := strings.NewReplacer(`\`, `\\`, ",", `\,`).Replace(location)
	options = append(options, "ro", "nosuid", "nodev", "subtype="+fuseName, "fsname="+name)
	cmd := exec.Command(program, "-o", strings.Join(options, ","), "--", point)
	cmd.Env = append(os.Environ(), commVariable+"=3")
	cmd.ExtraFiles = []*os.File{theirs} // its descriptor 3
	if text, err := cmd.CombinedOutput(); err != nil {
		return -1, fmt.Errorf("%w: %s (%w)", ErrNoFUSE, bytes.TrimSpace(text), err)
	}
	if fd, err = receive(pair[0]); err != nil {
		return -1, fmt.Errorf("%w: %s sent no descriptor: %w", ErrNoFUSE, program, err)
	}
	return fd, nil
}

// receive takes a descriptor that has been sent by a socket.
func receive(socket int) (fd int, err error) {
	data, control := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, data, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.Join(err, syscall.ENOMSG)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1, errors.Join(err, syscall.ENOMSG)
	}
	return fds[0], nil
}
