package vcb

import (
	"errors"
	"strings"
)

// LeftoverSnapshot is the name of the snapshot that vcbMounter exports from.
// Every machine has at most one, whoever exports it.
const LeftoverSnapshot = "_VCB-BACKUP_"

// What comes of a call.
var (
	// ErrTimeout: the deadline passed and the program was killed, or VMware
	// itself gave up waiting. The snapshot may be left behind.
	ErrTimeout = errors.New("vcbMounter did not finish in time")
	// ErrIncomplete: vcbMounter reported success, but the export is not whole.
	ErrIncomplete = errors.New("export is incomplete")
	// ErrCannotTell: vcbVmName or vcbSnapshot is not installed, so nothing is
	// known about leftovers. A caller that can do without may go on.
	ErrCannotTell = errors.New("it cannot be told whether a snapshot was left behind")
)

// What stands in the way.
var (
	// ErrLeftover: the virtual machine has a snapshot LeftoverSnapshot, of an
	// export that was cut short or of one that is under way.
	ErrLeftover = errors.New("a snapshot " + LeftoverSnapshot + " is in the way")
	// ErrExists: the directory to export to is there already.
	ErrExists = errors.New("export directory exists")
	// ErrNotFound: there is no such virtual machine, or several fit.
	ErrNotFound = errors.New("virtual machine not found")
	// ErrLogin: the login is missing, wrong, or may not do this.
	ErrLogin = errors.New("login refused")
	// ErrNoProgram: vcbMounter is not there or cannot be run.
	ErrNoProgram = errors.New("vcbMounter not found")
	// ErrNoSpace: a disk is full: of this machine or of the datastore.
	ErrNoSpace = errors.New("no space left")
	// ErrNotExport: the directory holds what no export does, so it is not
	// removed.
	ErrNotExport = errors.New("not an export directory")
)

// What a call is for, as Error.Verb has it.
const (
	verbVersion = "version"
	verbExport  = "export"
	verbUnmount = "unmount"
	verbFind    = "find"
	verbDelete  = "delete"
)

// Error is a call of vcbMounter, vcbVmName or vcbSnapshot that failed. It
// unwraps to one of the Err sentinels, to the error of the context that ended
// the call or kept it from being started, or to nothing where the program's
// words are not known.
type Error struct {
	Program string // "vcbMounter", "vcbVmName" or "vcbSnapshot", whatever its path
	Verb    string // export, unmount, version, find or delete
	Target  string // the virtual machine, or the directory of an unmount; empty for version
	Message string // the program's error line that says most, or what else went wrong; valid UTF-8
	Status  int    // exit status; -1 where it did not exit
	Output  string // what it printed, without passwords; long output loses its middle

	kind error
}

// Error returns one line.
func (e *Error) Error() string {
	text := e.Program + " " + e.Verb
	if e.Target != "" {
		text += " " + strings.ToValidUTF8(e.Target, "\uFFFD")
	}
	return text + ": " + e.Message
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.kind }

// Hint says what the operator should do, in one line, or is empty where nothing
// better is known than the program's own words.
func (e *Error) Hint() string {
	switch e.kind {
	case ErrTimeout:
		if e.Verb == verbExport {
			return "a larger deadline for exports may help; first see to what is left behind"
		}
		return "does the host answer? The login may also be waiting for a password"
	case ErrLeftover:
		return "another backup of this virtual machine is under way, or one was cut short: when nothing exports it any more, delete the snapshot " + LeftoverSnapshot
	case ErrExists:
		return "vcbMounter makes the directory itself: name one that does not exist, or remove what an earlier export left"
	case ErrNotFound:
		return "name: is case-sensitive, ipaddr: finds a virtual machine only while it runs; list all with vcbVmName -s any:"
	case ErrLogin:
		return "check host, user and password; without a password vcbMounter takes its own configuration, backuptools.conf or config.js"
	case ErrNoProgram:
		return "install VMware Consolidated Backup, or name the path of vcbMounter"
	case ErrNoSpace:
		return "make room in the export directory, which takes all disks of the virtual machine, and on its datastore, which takes the snapshot"
	case ErrIncomplete:
		return "see what vcbMounter said with a higher log level; the export is not used"
	case ErrCannotTell:
		return "install vcbVmName and vcbSnapshot beside vcbMounter, or look for " + LeftoverSnapshot + " in the host's snapshot manager"
	}
	return ""
}
