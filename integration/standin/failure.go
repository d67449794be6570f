//go:build linux

package standin

import (
	"errors"

	"granary/integration/standin/machine"
)

// exitFailure is vmrun's -1 on POSIX.
const exitFailure = 255

// failure is an answer that is not success: what to print, and the exit code.
type failure struct {
	text string
	code int
}

func (f failure) Error() string { return f.text }

// refuse returns the failure that vmrun words as "Error: text".
func refuse(text string) failure { return failure{"Error: " + text + "\n", exitFailure} }

// asFailure words err as vmrun would. What has no wording of its own is the
// catch-all; its cause is in calls.log and vmware.log.
func asFailure(err error) failure {
	var worded failure
	switch {
	case errors.As(err, &worded):
		return worded
	case errors.Is(err, errBusy):
		return refuse("The file is already in use")
	case errors.Is(err, machine.ErrNoSnapshot):
		return refuse("The snapshot does not exist")
	case errors.Is(err, machine.ErrNotUnique):
		return refuse("The name does not uniquely identify one snapshot")
	case errors.Is(err, machine.ErrIndependentDisk):
		return refuse("Cannot take a powered-on snapshot of a virtual machine with independent disks")
	case errors.Is(err, machine.ErrUnsupported):
		return refuse("The operation is not supported for the specified parameters")
	}
	return refuse("The operation was canceled")
}
