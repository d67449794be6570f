package vcb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// version is how VMware's programs give theirs.
var version = regexp.MustCompile(`(?i)\bversion:?\s+v?(\d+(?:\.\d+)+\S*(?:[ \t]+build-\d+)?)|\b(build-\d+)\b`)

// Version returns the version that vcbMounter prints when it is run without
// arguments, or "" where it runs but says none: whether it does is not known.
func (c *Client) Version(ctx context.Context) (string, error) {
	k := &call{c: c, program: mounter, verb: verbVersion}
	path, err := c.program()
	if err != nil {
		return "", k.notStarted(err)
	}
	bare := *c
	bare.Host, bare.User, bare.Password = "", "", "" // no login for a look at the banner
	k.c = &bare
	r, err := k.run(ctx, path, c.Timeouts.withDefaults().Query)
	text := r.Stdout + "\n" + r.Stderr
	if m := version.FindStringSubmatch(text); m != nil && r.Status >= 0 {
		return m[1] + m[2], nil
	}
	// A usage page without a version is an answer, whatever the status.
	if err == nil || r.Status > 0 && strings.Contains(strings.ToLower(text), "usage") {
		return "", nil
	}
	return "", err
}

// Export exports the virtual machine t, with all its files, to the directory
// dir. vcbMounter makes dir: it must not exist (ErrExists), its parent must. The
// machine is snapshotted, read and freed of the snapshot; it may be started and
// stopped as soon as the snapshot exists.
//
// An export only reads, so the cancellation of ctx ends it, politely at first.
// After that, or any other failure, dir may hold a part of the machine, and
// LeftoverSnapshot may still be there: see [Client.Leftover]. An export that
// succeeded has a catalog; its disks are for the caller to check.
func (c *Client) Export(ctx context.Context, t Target, dir string) error {
	k := &call{c: c, program: mounter, verb: verbExport, target: t.String(), dir: dir}
	if err := t.check(); err != nil {
		return k.refuse(nil, "%v", err)
	}
	dir, err := k.freshDir(dir)
	if err != nil {
		return err
	}
	k.dir = dir
	path, err := c.program()
	if err != nil {
		return k.notStarted(err)
	}
	rest := []string{"-a", t.String(), "-r", dir, "-t", "fullvm"}
	if c.Mode != "" {
		rest = append(rest, "-m", c.Mode)
	}
	if c.Monolithic {
		rest = append(rest, "-M", "1", "-F", "1")
	}
	if c.LogLevel > 0 {
		rest = append(rest, "-L", strconv.Itoa(c.LogLevel))
	}
	r, err := k.run(ctx, path, c.Timeouts.withDefaults().Export, rest...)
	if err != nil {
		return err
	}
	if _, err := ReadCatalog(dir); err != nil {
		e := k.fail(r, "it reported success, but the export is not whole: "+err.Error())
		e.kind = ErrIncomplete
		return e
	}
	return nil
}

// freshDir returns dir as vcbMounter gets it: absolute, because it runs in
// another directory.
func (k *call) freshDir(dir string) (string, error) {
	if dir == "" || strings.ContainsRune(dir, 0) {
		return "", k.refuse(nil, "the export directory %q is no path", dir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", k.refuse(nil, "the export directory cannot be made absolute: %v", err)
	}
	switch _, err := os.Lstat(dir); {
	case err == nil:
		return "", k.refuse(ErrExists, "the export directory %q exists", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return "", k.refuse(nil, "the export directory cannot be made: %v", err)
	}
	if parent, err := os.Stat(filepath.Dir(dir)); err != nil || !parent.IsDir() {
		return "", k.refuse(nil, "the folder %q for the export is not there", filepath.Dir(dir))
	}
	return dir, nil
}

// Unmount ends what vcbMounter keeps for the export at dir. The directory and
// its files stay: [Remove] takes them. Once begun it is not torn by the
// cancellation of ctx. What vcbMounter does here is recalled only; a caller may
// take a failure for a warning where the export was captured.
func (c *Client) Unmount(ctx context.Context, dir string) error {
	k := &call{c: c, program: mounter, verb: verbUnmount, target: dir, dir: dir}
	dir, err := filepath.Abs(dir)
	if err != nil || strings.ContainsRune(dir, 0) {
		return k.refuse(nil, "the export directory %q is no path", k.dir)
	}
	path, err := c.program()
	if err != nil {
		return k.notStarted(err)
	}
	return k.whole(ctx, path, c.Timeouts.withDefaults().Unmount, "-U", dir)
}
