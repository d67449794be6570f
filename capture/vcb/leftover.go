package vcb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"regexp"
	"strings"
)

// Find returns the one machine that t means by its reference, which goes on to
// mean it when it is off. It asks vcbVmName; where that is not, the error is
// ErrCannotTell, and ErrNotFound where t means none or several.
func (c *Client) Find(ctx context.Context, t Target) (Target, error) {
	finder := &call{c: c, program: nameFinder, verb: verbFind, target: t.String()}
	if err := t.check(); err != nil {
		return Target{}, finder.refuse(nil, "%v", err)
	}
	moref, err := finder.moref(ctx, t)
	if err != nil {
		return Target{}, err
	}
	return Target{Kind: ByMoRef, Value: moref[len("moref:"):]}, nil
}

// Leftover reports whether t has the snapshot LeftoverSnapshot: of an export
// that was cut short, and then it blocks the next one, or of one under way. It
// asks vcbVmName and vcbSnapshot, both beside vcbMounter; where they are not,
// the error is ErrCannotTell.
func (c *Client) Leftover(ctx context.Context, t Target) (bool, error) {
	_, ids, err := c.findLeftovers(ctx, t)
	return len(ids) > 0, err
}

// DeleteLeftover deletes the snapshot LeftoverSnapshot of t, whoever made it,
// which merges its disks and can take hours. It is for when a person asked for
// it: an export that still reads the frozen disks is spoilt. Once begun it is
// not torn by the cancellation of ctx. That there is none is no error.
func (c *Client) DeleteLeftover(ctx context.Context, t Target) error {
	moref, ids, err := c.findLeftovers(ctx, t)
	if err != nil {
		return err
	}
	for _, id := range ids {
		k := &call{c: c, program: snapshotTool, verb: verbDelete, target: t.String()}
		path, err := k.companion()
		if err != nil {
			return err
		}
		if err := k.whole(ctx, path, c.Timeouts.withDefaults().DeleteSnapshot, "-d", moref, id); err != nil {
			return err
		}
	}
	return nil
}

// companion returns the path of a program that lies beside vcbMounter.
func (k *call) companion() (string, error) {
	mounterPath, err := k.c.program()
	if err != nil {
		k.program = mounter
		return "", k.notStarted(err)
	}
	path, err := companion(mounterPath, k.program)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return "", k.refuse(ErrCannotTell, "%s is not beside %s", k.program, mounterPath)
	}
	if err != nil {
		return "", k.notStarted(err)
	}
	return path, nil
}

// noSnapshot is what vcbSnapshot may say for "none". Its words are not known.
var noSnapshot = regexp.MustCompile(`(?i)\bno (such |matching )?snapshots?\b|snapshot.*(not (be )?found|not exist)|not find.*snapshot`)

// findLeftovers returns the machine's moref and the snapshots' identifiers, all
// as the programs print them and take them again: "moref:vm-16", "SsId:4".
func (c *Client) findLeftovers(ctx context.Context, t Target) (moref string, ids []string, err error) {
	finder := &call{c: c, program: nameFinder, verb: verbFind, target: t.String()}
	if err := t.check(); err != nil {
		return "", nil, finder.refuse(nil, "%v", err)
	}
	snapshots := &call{c: c, program: snapshotTool, verb: verbFind, target: t.String()}
	snapshotPath, err := snapshots.companion()
	if err != nil {
		return "", nil, err
	}
	if moref, err = finder.moref(ctx, t); err != nil {
		return "", nil, err
	}
	r, err := snapshots.run(ctx, snapshotPath, c.Timeouts.withDefaults().Query, "-f", moref, LeftoverSnapshot)
	var e *Error
	if errors.As(err, &e) && e.Status > 0 && (e.kind == nil || e.kind == ErrLeftover) && noSnapshot.MatchString(e.Message) {
		return moref, nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return moref, answers(r.Stdout, "ssid:"), nil
}

// moref asks vcbVmName for the one machine that t means.
func (k *call) moref(ctx context.Context, t Target) (string, error) {
	path, err := k.companion()
	if err != nil {
		return "", err
	}
	r, err := k.run(ctx, path, k.c.Timeouts.withDefaults().Query, "-s", t.String())
	if err != nil {
		return "", err
	}
	switch found := answers(r.Stdout, "moref:"); len(found) {
	case 0:
		e := k.fail(r, "its answer holds no virtual machine")
		e.kind = ErrNotFound
		return "", e
	case 1:
		return found[0], nil
	default:
		e := k.fail(r, fmt.Sprintf("%d virtual machines fit", len(found)))
		e.kind = ErrNotFound
		return "", e
	}
}

// answers returns the lines that begin with prefix, whatever their case, and
// have something behind it.
func answers(text, prefix string) []string {
	var found []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if len(line) > len(prefix) && strings.EqualFold(line[:len(prefix)], prefix) {
			found = append(found, line)
		}
	}
	return found
}
