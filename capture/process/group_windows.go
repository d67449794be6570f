package process

import (
	"bytes"
	"os/exec"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/windows"
)

// rootDir leaves a program in granary's own directory: there is no single root.
const rootDir = ""

// detach gives cmd a process group of its own, so that Ctrl-C in the console
// reaches granary, which can bring the virtual machine back, and not the
// program, which would end what it began. CREATE_NO_WINDOW keeps a console from flashing up
// when granary runs as a service, and takes away the one that it could prompt on.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_NO_WINDOW,
		HideWindow:    true,
	}
}

// terminateGroup ends cmd. Windows has no request that a process without a
// console receives. Only the program itself is ended, not the tree below it: there
// vmware-vmx, the virtual machine, is a child of vmrun.
func terminateGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

// killGroup ends cmd, if it still runs.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

// closeOnExec does nothing: os/exec names the handles that a child inherits.
func closeOnExec() {}

// decode returns a program's output as UTF-8. vmrun writes in the code page of the
// console or, without one, of the system, and a path in the wrong one names no
// file.
func decode(b []byte) string {
	// UTF-16 says so at its beginning: whoever reads the text decodes it.
	if len(b) == 0 || utf8.Valid(b) || bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		return string(b)
	}
	page, err := windows.GetConsoleOutputCP()
	if err != nil || page == 0 {
		page = windows.GetACP()
	}
	n, err := windows.MultiByteToWideChar(page, 0, &b[0], int32(len(b)), nil, 0)
	if err != nil || n <= 0 {
		return string(b)
	}
	wide := make([]uint16, n)
	n, err = windows.MultiByteToWideChar(page, 0, &b[0], int32(len(b)), &wide[0], n)
	if err != nil {
		return string(b)
	}
	return windows.UTF16ToString(wide[:n])
}
