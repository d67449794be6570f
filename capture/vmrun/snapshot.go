package vmrun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SnapshotError is a snapshot that failed. vmrun can fail or be killed with the
// snapshot taken, so [Client.Snapshot] looks for its name before it returns.
//
// The caller has nothing to clean up only where Sure is true and Made is false.
// In every other case it calls [Client.DeleteSnapshot], now and, where Sure is
// false, once more later; there ErrNoSnapshot means that there was nothing.
type SnapshotError struct {
	Name string
	// Made: the snapshot is listed.
	Made bool
	// Sure: it will stay as Made says. False where the list could not be
	// read, or where vmrun did not say why it took none and none is listed:
	// VMware may still be taking it.
	Sure bool
	Err  error // the *Error of the snapshot
}

// Error tells what is left behind.
func (e *SnapshotError) Error() string {
	switch {
	case e.Made:
		return fmt.Sprintf("%v (the snapshot %q exists all the same)", e.Err, e.Name)
	case !e.Sure:
		return fmt.Sprintf("%v (the snapshot %q may exist or appear all the same)", e.Err, e.Name)
	}
	return e.Err.Error()
}

// Unwrap returns the *Error of the snapshot.
func (e *SnapshotError) Unwrap() error { return e.Err }

// Hint is the hint of the *Error.
func (e *SnapshotError) Hint() string {
	var inner *Error
	if errors.As(e.Err, &inner) {
		return inner.Hint()
	}
	return ""
}

// Snapshot takes a snapshot of vmx. The name has to be unique: vmrun takes a
// second one of the same name and can then delete neither.
//
// It is never repeated, for the same reason, and every failure is a
// *[SnapshotError].
func (c *Client) Snapshot(ctx context.Context, vmx, name string) error {
	k, err := c.change(ctx, c.Timeouts.withDefaults().Snapshot, verbSnapshot, vmx, name)
	if err == nil {
		defer k.end()
		err = checkName(verbSnapshot, vmx, name)
	}
	if err != nil {
		return &SnapshotError{Name: name, Sure: true, Err: err}
	}
	_, err = k.try()
	if err == nil {
		return nil
	}
	failed := &SnapshotError{Name: name, Sure: true, Err: err}
	if k.begun == 0 || errors.Is(err, ErrNoProgram) {
		return failed // it never ran
	}
	names, lookErr := c.Snapshots(context.WithoutCancel(ctx), vmx)
	for _, closed := range []error{ErrPassword, ErrNotFound} {
		if errors.Is(err, closed) && errors.Is(lookErr, closed) {
			return failed // it never opened the machine
		}
	}
	if lookErr != nil {
		c.log().Warn("vmrun cannot tell whether the snapshot exists", "vmx", vmx, "snapshot", name, "err", lookErr)
		failed.Sure = false
		return failed
	}
	failed.Made = slices.ContainsFunc(names, func(n string) bool {
		return strings.TrimSpace(n) == strings.TrimSpace(name)
	})
	failed.Sure = failed.Made || Refused(err)
	return failed
}

// Snapshots returns the names of vmx's snapshots, parents before children. A
// name may occur more than once. One that holds line breaks, which only another
// program can have given, is returned as several.
func (c *Client) Snapshots(ctx context.Context, vmx string) ([]string, error) {
	k, err := c.query(ctx, verbListSnapshots, vmx)
	if err != nil {
		return nil, err
	}
	defer k.end()
	names, err := k.names("total snapshots", snapshotNames)
	return slices.DeleteFunc(names, func(name string) bool { return name == "" }), err
}

// snapshotNames tells names from what vmrun says between them. A name may look
// like that, too: an error is one whose words are known, and the rest is left out
// only where there are enough names without it.
func snapshotNames(l listing) (names, rest []string) {
	if l.total == 0 {
		return nil, l.lines
	}
	var noisy []string
	for _, line := range l.lines {
		if said, isError := errorText(line); isError && understand(said, "") != nil {
			rest = append(rest, line)
			continue
		}
		// Names may hold and begin with blanks; only tabs are vmrun's own.
		name := strings.TrimLeft(escapes.ReplaceAllString(line, ""), "\t")
		name = strings.ToValidUTF8(strings.TrimRight(name, " \t\r"), "\uFFFD")
		noisy = append(noisy, name)
		if !noise.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) < l.total {
		names = noisy
	}
	return names, rest
}

// DeleteSnapshot deletes the one snapshot of that name, which merges its redo
// logs and can take hours, and leaves its children. Nobody may read the disks
// meanwhile.
//
// While the machine is in use it tries again until its deadline; the caller's
// cancellation ends that between two tries. A name that is gone after a try that
// failed is a success; gone at the first try it is ErrNoSnapshot. After
// ErrTimeout VMware may still be merging: look at [Client.Snapshots] later.
func (c *Client) DeleteSnapshot(ctx context.Context, vmx, name string) error {
	k, err := c.change(ctx, c.Timeouts.withDefaults().DeleteSnapshot, verbDeleteSnapshot, vmx, name)
	if err != nil {
		return err
	}
	defer k.end()
	if err := checkName(verbDeleteSnapshot, vmx, name); err != nil {
		return err
	}
	for {
		_, err := k.try()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrNoSnapshot) && k.begun > 1:
			return nil
		case !isTransient(err):
			return err
		case !errors.Is(err, ErrInUse) && k.begun >= maxTries:
			return err
		case !k.again(err):
			return err
		}
	}
}

// checkName refuses names that vmrun would not take for a name.
func checkName(verb, vmx, name string) error {
	why := ""
	switch {
	case strings.TrimSpace(name) == "":
		why = "the snapshot has no name"
	case strings.HasPrefix(name, "-"):
		why = "the snapshot's name would be read as a flag"
	case strings.Contains(name, "/"):
		why = "a snapshot's name with a slash is read as a path of snapshots"
	case strings.ContainsAny(name, "\x00\r\n\t"):
		why = "the snapshot's name holds a control character, which vmrun's list cannot carry"
	default:
		return nil
	}
	return &Error{Verb: verb, VMX: vmx, Status: -1, Message: why}
}
