package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"granary/index"
	"granary/repo/format"
	"granary/repo/storage"
)

// Storage keeps immutable objects by name. Create is durable, all or nothing,
// and gives storage.ErrExists instead of overwriting; after an error the object
// is there, or never will be because of that call. ReadAt fills p or fails;
// storage.ErrNotExist and storage.ErrShort tell what is wrong. All methods are
// safe for concurrent use.
type Storage interface {
	Create(ctx context.Context, name string, parts ...[]byte) error
	ReadAt(ctx context.Context, name string, p []byte, off int64) error
	Size(ctx context.Context, name string) (int64, error)
	List(ctx context.Context, prefix string, fn func(name string, size int64) error) error
	Remove(ctx context.Context, name string) error
}

// Options change how a repository is used; the zero value is good.
type Options struct {
	// CacheDir holds the index of a repository that cannot be written to.
	// The user's cache folder if empty.
	CacheDir string
	// CacheBytes bounds the decoded grains kept for readers, 64 MiB if 0.
	CacheBytes int64
	// PackBytes is the payload at which packs are closed, 16 MiB if 0; half of
	// it where several writers of the Repo are at work.
	PackBytes int
	// MergeGrains is how many new grains all writers together keep in memory
	// before they lend them to the index, 262,144 if 0 (about 40 MiB).
	MergeGrains int
	// Log gets what an operator may want to know; nothing if nil.
	Log *slog.Logger
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.CacheBytes == 0 {
		d.CacheBytes = 64 << 20
	}
	if d.PackBytes == 0 {
		d.PackBytes = 16 << 20
	}
	d.PackBytes = min(d.PackBytes, format.MaxPackPayload)
	if d.MergeGrains == 0 {
		d.MergeGrains = 1 << 18
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return d
}

// Repo is an open repository. It is safe for concurrent use. Close it.
type Repo struct {
	location string
	store    Storage
	config   format.Config
	options  Options
	log      *slog.Logger

	indexes sync.RWMutex // guards index, which changes where a disk is full
	index   *index.Index

	// life ends with Close. Fetches run under it and not under a caller's
	// context: one fetch serves many readers, and an interrupted one must not
	// fail the others.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup // read-ahead under way

	manifests recordCache[*format.Manifest] // nil where a session is revoked
	forgotten recordCache[format.Forget]
	nodes     *nodeCache
	grains    *grainCache
	decoder   *zstd.Decoder
	workers   sync.Pool // of *worker
	hashers   sync.Pool // of *format.Hasher, for readers
	ahead     chan struct{}

	lending lending
	batches chan *batch // shared by the writers
	packs   chan []byte // likewise

	mending  sync.Mutex        // held while the index is brought up to date; guards what follows
	rebuilt  time.Time         // when this process rebuilt it
	searched time.Time         // when it found no table that the index lacks
	lost     []format.PackName // packs whose tables cannot be read
}

// Where things lie in a local repository, beside the objects.
const (
	indexDir = "index"
	locksDir = "locks"
)

// Init makes an empty repository in the folder dir, which must be missing or
// empty, else ErrNotEmpty. grain is the grain size in bytes, the default if 0.
func Init(ctx context.Context, dir string, grain int) error {
	if grain == 0 {
		grain = format.DefaultGrain
	}
	if err := format.CheckGrain(grain); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make repository: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("make repository in %s: %w", dir, ErrNotEmpty)
	}
	for _, name := range []string{"packs", "generations", "sessions", locksDir, "tmp"} {
		if err := storage.MakeDirs(filepath.Join(dir, name), 0o700); err != nil {
			return fmt.Errorf("make repository: %w", err)
		}
	}
	config := format.Config{Repo: format.RepoID(format.NewSessionID()), Grain: grain, Created: time.Now().UnixNano()}
	b, err := config.Marshal()
	if err != nil {
		return err
	}
	// Last: a folder without config is no repository.
	return storage.OpenLocal(dir).Create(ctx, format.ConfigName, b)
}

// Open opens the repository in the folder dir. It returns ErrNoRepository or
// format.ErrNewer.
func Open(ctx context.Context, dir string, options *Options) (*Repo, error) {
	if dir == "" {
		return nil, fmt.Errorf("open repository: no location given: %w", ErrNoRepository)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	store := storage.OpenLocal(dir)
	config, err := readConfig(ctx, store, dir)
	if err != nil {
		return nil, err
	}
	o := options.withDefaults()
	x, err := openIndex(dir, config, o)
	if err != nil {
		return nil, err
	}
	return newRepo(dir, store, config, x, o), nil
}

// OpenStorage opens a repository over any storage, its index in the folder
// cache.
func OpenStorage(ctx context.Context, store Storage, cache string, options *Options) (*Repo, error) {
	config, err := readConfig(ctx, store, "storage")
	if err != nil {
		return nil, err
	}
	o := options.withDefaults()
	x, err := index.Open(filepath.Join(cache, indexDir), filepath.Join(cache, locksDir), o.Log)
	if err != nil {
		return nil, err
	}
	return newRepo(cache, store, config, x, o), nil
}

func newRepo(location string, store Storage, config format.Config, x *index.Index, o Options) *Repo {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.IgnoreChecksum(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(2*format.MaxGrain))
	if err != nil {
		panic(err) // the options are constants
	}
	r := &Repo{location: location, store: store, config: config, options: o, index: x, log: o.Log,
		nodes: newNodeCache(), grains: newGrainCache(o.CacheBytes, config.Grain), decoder: decoder,
		ahead:   make(chan struct{}, 2*runtime.GOMAXPROCS(0)),
		batches: newBuffers[*batch](sharedBatches()), packs: newBuffers[[]byte](uploaders),
		lending: lending{from: map[*uploader]struct{}{}}}
	r.life, r.end = context.WithCancel(context.Background())
	r.workers.New = func() any { return newWorker() }
	r.hashers.New = func() any { return format.NewHasher() }
	return r
}

// readConfig tells a missing repository from a foreign folder.
func readConfig(ctx context.Context, store Storage, location string) (format.Config, error) {
	size, err := store.Size(ctx, format.ConfigName)
	if err == nil && size > 1<<16 {
		err = format.ErrNotRepository
	}
	var config format.Config
	if err == nil {
		b := make([]byte, size)
		if err = store.ReadAt(ctx, format.ConfigName, b, 0); err == nil {
			config, err = format.ParseConfig(b)
		}
	}
	if errors.Is(err, storage.ErrNotExist) || errors.Is(err, format.ErrNotRepository) || errors.Is(err, syscall.ENOTDIR) {
		return config, fmt.Errorf("open %s: %w", location, ErrNoRepository)
	}
	if err != nil {
		return config, fmt.Errorf("open %s: %w", location, err)
	}
	return config, nil
}

// openIndex uses the repository's own folder, or the user's cache where that
// cannot be written to, as on a read-only medium.
func openIndex(dir string, config format.Config, o Options) (*index.Index, error) {
	x, err := index.Open(filepath.Join(dir, indexDir), filepath.Join(dir, locksDir), o.Log)
	if err == nil && writable(filepath.Join(dir, locksDir)) {
		return x, nil
	}
	o.Log.Debug("repository is read-only; its index is kept elsewhere")
	return openSpareIndex(config, o)
}

// openSpareIndex opens an index in the user's cache folder.
func openSpareIndex(config format.Config, o Options) (*index.Index, error) {
	cache := o.CacheDir
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find a folder for the index: %w", err)
		}
		cache = filepath.Join(base, "granary")
	}
	cache = filepath.Join(cache, fmt.Sprintf("%x", config.Repo))
	return index.Open(filepath.Join(cache, indexDir), filepath.Join(cache, locksDir), o.Log)
}

func writable(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "index"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// Location is where the repository lies, for messages.
func (r *Repo) Location() string { return r.location }

// Grain is the grain size in bytes.
func (r *Repo) Grain() int { return r.config.Grain }

// ID tells this repository from others.
func (r *Repo) ID() string { return fmt.Sprintf("%x", r.config.Repo) }

// Close ends read-ahead and lets go of the index. Readers must be done.
func (r *Repo) Close() error {
	r.end()
	r.work.Wait()
	r.decoder.Close()
	r.currentIndex().Close()
	return nil
}

func (r *Repo) currentIndex() *index.Index {
	r.indexes.RLock()
	defer r.indexes.RUnlock()
	return r.index
}

// mergeIndex adds packs to the index. Where the repository's disk is too full
// for that, the index moves to the user's cache folder: what is stored has to
// stay readable.
func (r *Repo) mergeIndex(ctx context.Context, tables []format.PackTable) (moved bool, err error) {
	x := r.currentIndex()
	err = x.Merge(ctx, tables)
	if !errors.Is(err, index.ErrNoSpace) {
		return false, err
	}
	spare, spareErr := openSpareIndex(r.config, r.options)
	if spareErr != nil {
		return false, errors.Join(err, spareErr)
	}
	if spare.Dir() == x.Dir() {
		spare.Close()
		return false, err
	}
	r.indexes.Lock()
	first := r.index == x // no other writer met the same
	if first {
		r.index = spare
	}
	r.indexes.Unlock()
	if !first {
		spare.Close()
		return true, nil
	}
	r.log.Warn("the index is kept elsewhere until there is room for it", "folder", spare.Dir(), "err", err)
	x.Close()
	return true, nil
}

// readWhole reads an object of at most limit bytes.
func (r *Repo) readWhole(ctx context.Context, name string, limit int64) ([]byte, error) {
	size, err := r.store.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s: %w: %d bytes, more than %d", name, format.ErrCorrupt, size, limit)
	}
	b := make([]byte, size)
	return b, r.store.ReadAt(ctx, name, b, 0)
}

// damaged tells an object's damage from a storage that does not answer.
func damaged(err error) bool {
	return errors.Is(err, format.ErrCorrupt) || errors.Is(err, format.ErrNotRepository) ||
		errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrShort)
}
