package fusefs

import (
	"context"
	"log/slog"
	"time"

	"granary/repo"
)

// Source is what a mount shows; *repo.Repo is one. All methods are safe for
// concurrent use, as are the files. A source must not be closed before
// Server.Wait has returned.
type Source interface {
	// Generations lists what there is now.
	Generations(ctx context.Context) (*repo.Listing, error)
	// OpenFile opens a file of a listed generation.
	OpenFile(g *repo.Generation, path string) (*repo.File, error)
	// Stats sums up the repository.
	Stats(ctx context.Context) (*repo.Stats, error)
	// Location is the folder of a local repository, which a mount must not
	// overlap, else the address of a remote one.
	Location() string
	// Grain is the grain size in bytes.
	Grain() int
}

var _ Source = (*repo.Repo)(nil)

// Options change how a repository is mounted; the zero value is good.
type Options struct {
	// AllowOther lets other users in, as far as the modes of folders and files
	// let them. Users other than root need the line user_allow_other in
	// /etc/fuse.conf for it.
	AllowOther bool
	// Refresh is how old the list of generations may be before it is read
	// again. The kernel remembers it for as long once more. 1 s if 0.
	Refresh time.Duration
	// Log gets what an operator may want to know; nothing if nil.
	Log *slog.Logger
	// Debug writes each request and its answer to Log, at slog.LevelDebug.
	Debug bool
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Refresh <= 0 {
		d.Refresh = time.Second
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d
}
