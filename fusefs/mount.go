//go:build linux

package fusefs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// What the kernel shows as the type of a mount.
const (
	fuseName  = "granary"
	mountType = "fuse." + fuseName
)

// Mount shows source on the folder dir, which must be empty, and returns once
// it answers. End it with Server.Unmount or Server.Close. The context bounds
// the start only.
//
// Root mounts by itself; other users need the program fusermount3. If the
// serving process is killed, the mount stays, dead, until Unmount. A VM named
// ".go-fuse-epoll-hack" cannot be entered: go-fuse keeps that name for itself.
//
// It returns ErrNoMountPoint, ErrNotEmpty, ErrOverlap, ErrMounted, ErrNoFUSE,
// or what the source says.
func Mount(ctx context.Context, source Source, dir string, options *Options) (*Server, error) {
	s, err := mount(ctx, source, dir, options.withDefaults(), os.Geteuid() == 0)
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	return s, nil
}

// mount mounts directly or through fusermount3.
func mount(ctx context.Context, source Source, dir string, o Options, direct bool) (*Server, error) {
	point, err := checkMountPoint(dir, source.Location())
	if err != nil {
		return nil, err
	}
	if err := checkPrerequisites(direct, o.AllowOther); err != nil {
		return nil, err
	}
	c := newComplaints(o.Log)
	list, err := openListing(ctx, source, o.Refresh, c)
	if err != nil {
		return nil, err
	}
	fd, err := attach(point, source.Location(), o.AllowOther, direct)
	if err != nil {
		list.close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	root := &rootNode{node{shared: &shared{source: source, listing: list, complaints: c, fresh: o.Refresh,
		owner: owner{uint32(os.Getuid()), uint32(os.Getgid())}}}}
	raw := fs.NewNodeFS(root, &fs.Options{NullPermissions: true, RootStableAttr: &fs.StableAttr{Ino: rootInode}})
	server, err := fuse.NewServer(raw, fmt.Sprintf("/dev/fd/%d", fd), serverOptions(o))
	if err != nil {
		list.close()
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), unmount(point, direct, true))
	}
	s := serve(server, list, point, direct, o.Log)
	raiseReadAhead(s.device, o.Log)
	return s, nil
}

// serverOptions are measured, see BenchmarkSequentialRead: large requests, many
// under way, and a kernel that forgets no page it was given.
func serverOptions(o Options) *fuse.MountOptions {
	return &fuse.MountOptions{
		Name:                     fuseName,
		MaxWrite:                 blockSize, // of reads, too
		MaxBackground:            64,
		ExplicitDataCacheControl: true,
		// Replies of 1 MiB do not fit the pipe that splice needs.
		DisableSplice: true,
		Debug:         o.Debug,
		// What go-fuse has to say is of use to developers.
		Logger:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		PanicHandler: func(reason any) fuse.Status { return afterPanic(o.Log, reason) },
	}
}

// afterPanic keeps a mount alive over a mistake in the program.
func afterPanic(log *slog.Logger, reason any) fuse.Status {
	log.Error("a request failed by a mistake in granary; please report it", "panic", reason, "stack", string(debug.Stack()))
	return fuse.EIO
}
