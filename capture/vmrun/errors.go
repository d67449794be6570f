package vmrun

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Outcomes of a call, one for each question a caller asks.
var (
	// ErrTimeout: the deadline passed and vmrun was killed, or VMware itself
	// gave up waiting. What the call was to do may have been done, or still
	// be under way inside VMware.
	ErrTimeout = errors.New("vmrun did not answer in time")

	// ErrCanceled: VMware says "The operation was canceled", mostly because of
	// a dialog that nobody answered. Not the caller's context: that is
	// context.Canceled.
	ErrCanceled = errors.New("VMware canceled the operation")
)

// States of the virtual machine that contradict the call.
var (
	// ErrNotRunning: the virtual machine is not powered on.
	ErrNotRunning = errors.New("virtual machine is not running")
	// ErrAlreadyRunning: the virtual machine is powered on.
	ErrAlreadyRunning = errors.New("virtual machine is already running")
	// ErrNotFound: there is no such virtual machine.
	ErrNotFound = errors.New("virtual machine not found")
	// ErrInUse: somebody else holds its files: a window of VMware, another
	// snapshot operation, another program.
	ErrInUse = errors.New("virtual machine is in use")
	// ErrTools: the VMware Tools do not run in the guest.
	ErrTools = errors.New("VMware Tools are not running in the guest")
)

// States of its snapshots.
var (
	// ErrNoSnapshot: there is no snapshot of that name.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrAmbiguousSnapshot: several snapshots have that name. vmrun can
	// delete none of them by it.
	ErrAmbiguousSnapshot = errors.New("snapshot name is not unique")
	// ErrIndependentDisks: an independent disk prevents a snapshot of the
	// running machine.
	ErrIndependentDisks = errors.New("independent disks prevent the snapshot")
)

// Outcomes of a program in the guest.
var (
	// ErrGuestProgram: the program ran and ended with an exit code that is not
	// zero, which is [Error.GuestStatus].
	ErrGuestProgram = errors.New("program in the guest failed")
	// ErrGuestLogin: the guest does not take the login, or not for this.
	ErrGuestLogin = errors.New("login to the guest refused")
)

// What the operator has to set up.
var (
	// ErrPassword: a password is missing or wrong.
	ErrPassword = errors.New("password missing or wrong")
	// ErrPermission: the user who runs granary may not do this.
	ErrPermission = errors.New("permission denied")
	// ErrNoSpace: a disk of the host is too full.
	ErrNoSpace = errors.New("too little space on the host")
	// ErrNoDatastore: the host knows its virtual machines by datastore, and the
	// path lies in none that granary was told of.
	ErrNoDatastore = errors.New("path lies in no known datastore")
	// ErrNoProgram: vmrun is not there or cannot be run.
	ErrNoProgram = errors.New("vmrun not found")
)

// Error is a vmrun command that failed. It unwraps to one of the Err sentinels,
// to the error of the context that ended a query or kept a command from being
// started, or to nothing where vmrun's words are not known.
type Error struct {
	Verb        string // vmrun's command, "version" for its banner; empty for [Client.Name]
	VMX         string // as vmrun was given it; empty for a command without one
	Message     string // vmrun's first "Error:" line, or what else went wrong; valid UTF-8
	Status      int    // exit status: 255 on Unix and 4294967295 on Windows for vmrun's -1; -1 where it did not exit
	GuestStatus int    // exit code of the program in the guest, with ErrGuestProgram
	Output      string // what vmrun printed, without passwords; long output loses its middle

	kind error
	ran  bool // vmrun was started
	// transient marks a failure that the same call may not meet again.
	transient bool
	hint      string // better than the one of the kind
}

// Error returns one line without the .vmx twice: vmrun mostly ends its own
// message with it.
func (e *Error) Error() string {
	text := "vmrun"
	if e.Verb != "" {
		text += " " + e.Verb
	}
	if e.VMX == "" {
		return text + ": " + e.Message
	}
	name := shownName(e.VMX)
	return text + " " + name + ": " + strings.TrimSuffix(e.Message, ": "+name)
}

// shownName is a name in one line of text: quoted if it is not fit for that.
func shownName(name string) string {
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return strconv.Quote(name)
	}
	return name
}

// Unwrap returns the sentinel behind e, or nil.
func (e *Error) Unwrap() error { return e.kind }

// Hint says what the operator should do, in one line, or is empty where nothing
// better is known than vmrun's own words.
func (e *Error) Hint() string {
	if e.hint != "" {
		return e.hint
	}
	switch e.kind {
	case ErrTimeout, ErrCanceled:
		return e.dialogHint()
	case ErrNotRunning:
		return "start the virtual machine, or capture it with --quiesce none"
	case ErrAlreadyRunning:
		return "stop the virtual machine, or choose a --quiesce method for a running one"
	case ErrNotFound:
		return "check the path; vmrun wants the .vmx file itself, as the user who runs the virtual machine sees it"
	case ErrInUse:
		return "close the virtual machine's window in VMware, or wait until another snapshot or backup of it has ended"
	case ErrTools:
		if e.Verb == verbRunInGuest {
			return "install or start the VMware Tools in the guest: they run its programs"
		}
		return "install or start the VMware Tools in the guest, or stop it hard, which is a power cut for the guest"
	case ErrNoSnapshot:
		return "list what there is with vmrun listSnapshots"
	case ErrAmbiguousSnapshot:
		return "several snapshots have this name: delete them in VMware's snapshot manager, where they can be told apart"
	case ErrIndependentDisks:
		return "a running virtual machine with independent disks cannot be snapshotted: stop it first (--quiesce stop), or take the disk out of the independent mode"
	case ErrGuestProgram:
		return "the program ran in the guest and failed there: run it by hand in the guest, or read its log"
	case ErrGuestLogin:
		return "give the name and the password of a user of the guest's operating system who may run the program"
	case ErrPassword:
		return "give the password of the encrypted virtual machine or of the host's login"
	case ErrPermission:
		return "run granary as the user who owns the virtual machine"
	case ErrNoSpace:
		return "make room where the virtual machine lies: a snapshot grows while it exists, and merging it needs room too"
	case ErrNoDatastore:
		return "say where this machine has the datastore mounted: --datastore NAME=FOLDER"
	case ErrNoProgram:
		return "install VMware Workstation, Player or Fusion with its VIX tools, or name the path of vmrun"
	}
	return ""
}

// Refused reports whether err says that a call changed nothing and will not: vmrun
// was not started, or it said why not, in words that are known. VMware may still be
// at work on any other that failed.
func Refused(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	open := []error{nil, ErrTimeout, ErrCanceled, ErrGuestProgram}
	return !e.ran || e.Status >= 0 && !slices.Contains(open, e.kind)
}

// dialogHint serves calls that were not answered.
func (e *Error) dialogHint() string {
	hint := "VMware may be waiting for an answer in a dialog: look for Msg_Post in " + e.vmwareLog() +
		`; with msg.autoAnswer = "TRUE" in the .vmx it answers such questions itself`
	switch {
	case e.Verb == verbDeleteSnapshot && e.kind == ErrTimeout:
		hint += "; or merging the disks only needs more time"
	case e.Verb == verbRunInGuest && e.kind == ErrTimeout:
		hint += "; or the program still runs in the guest and only needs more time"
	}
	return hint
}

func (e *Error) vmwareLog() string {
	if e.VMX == "" || !filepath.IsAbs(e.VMX) {
		return "the virtual machine's vmware.log"
	}
	return shownName(filepath.Join(filepath.Dir(e.VMX), "vmware.log"))
}

// isTransient reports whether err is an *Error worth another try.
func isTransient(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.transient
}
