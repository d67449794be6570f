//go:build linux

package fusefs_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/fusefs"
	"granary/repo"
	"granary/repo/format"
)

const mib = 1 << 20

// sample gives n bytes that compress about two to one, other for each seed.
func sample(seed uint64, n int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 7})
	b := make([]byte, n)
	for at := 0; at < n; at += 256 {
		_, _ = source.Read(b[at:min(at+128, n)])
	}
	return b
}

// sparse is content with holes.
type sparse struct {
	size   int64
	ranges map[int64][]byte // offset -> data
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, data := range s.ranges {
		if lo, hi := max(off, at), min(off+int64(len(p)), at+int64(len(data))); lo < hi {
			copy(p[lo-off:hi-off], data[lo-at:hi-at])
		}
	}
	if off+int64(len(p)) > s.size {
		return int(s.size - off), io.EOF
	}
	return len(p), nil
}

func (s *sparse) NextData(off int64) (start, end int64, err error) {
	start = s.size
	for at, data := range s.ranges {
		if at+int64(len(data)) > off && max(at, off) < start {
			start, end = max(at, off), at+int64(len(data))
		}
	}
	if start >= s.size {
		return 0, 0, io.EOF
	}
	return start, end, nil
}

func newRepo(t testing.TB, options *repo.Options) (*repo.Repo, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repo")
	if err := repo.Init(t.Context(), dir, 0); err != nil {
		t.Fatal(err)
	}
	return openRepo(t, dir, options), dir
}

func openRepo(t testing.TB, dir string, options *repo.Options) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// input is a file to store.
type input struct {
	path    string
	content io.ReaderAt // *bytes.Reader or *sparse
	mode    uint32
}

func data(path string, content []byte) input {
	return input{path: path, content: bytes.NewReader(content), mode: 0o644}
}

func (in input) size() int64 {
	if s, ok := in.content.(*sparse); ok {
		return s.size
	}
	return in.content.(*bytes.Reader).Size()
}

// modTime is when all files of the tests were written.
var modTime = time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC)

// commit stores a generation.
func commit(t testing.TB, r *repo.Repo, vm, frozen string, inputs ...input) *repo.Generation {
	t.Helper()
	at, err := time.Parse(format.GenerationTime, frozen)
	if err != nil {
		t.Fatal(err)
	}
	g, err := write(t.Context(), r, &format.Manifest{VM: vm, Frozen: at.UnixNano(), Consistency: format.Clean,
		Facts: []format.Fact{{Key: "driver", Value: "files"}}}, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func write(ctx context.Context, r *repo.Repo, m *format.Manifest, inputs []input) (*repo.Generation, error) {
	w, err := r.NewWriter(ctx, "test", "test")
	if err != nil {
		return nil, err
	}
	for _, in := range inputs {
		f, err := w.Add(ctx, repo.Input{Content: in.content, File: format.File{Path: in.path, Source: "/vm/" + in.path,
			Role: format.RoleDisk, Size: in.size(), Mode: in.mode, ModTime: modTime.UnixNano()}})
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(a, b format.File) int { return strings.Compare(a.Path, b.Path) })
	g, err := w.Commit(ctx, m)
	return g, errors.Join(err, w.Close())
}

// logged is what a mount has logged.
type logged struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// quick is how long the mounts of tests remember what may change.
const quick = 50 * time.Millisecond

// mounted mounts source on a new folder for the time of the test.
func mounted(t testing.TB, source fusefs.Source, options *fusefs.Options) (string, *fusefs.Server) {
	t.Helper()
	point := filepath.Join(t.TempDir(), "mount")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	if options == nil {
		options = &fusefs.Options{Refresh: quick}
	}
	s, err := fusefs.Mount(t.Context(), source, point, options)
	if err != nil {
		t.Fatal(err)
	}
	endAfter(t, s)
	return point, s
}

// endAfter ends a mount with the test, lazily if it must, before its folder is
// removed and its repository closed.
func endAfter(t testing.TB, s *fusefs.Server) {
	t.Cleanup(func() {
		if err := s.Unmount(); err != nil && !errors.Is(err, fusefs.ErrDetached) {
			t.Error(err)
		}
		ended := make(chan struct{})
		go func() { s.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("a mount has not ended")
		}
	})
}

// holder is a child that has a file open.
type holder struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
}

// start starts a child that says when it is ready. It is killed after the test
// at the latest.
func start(t *testing.T, task string, args ...string) *holder {
	t.Helper()
	cmd := childCommand(context.Background(), task, args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holder{cmd, stdin, bufio.NewReader(out)}
	t.Cleanup(h.kill)
	if line, err := h.out.ReadString('\n'); line != "open\n" {
		t.Fatalf("child %s %q said %q, %v", task, args, line, err)
	}
	return h
}

func (h *holder) kill() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// finish lets the child go on and gives its answer.
func (h *holder) finish(t *testing.T) ([]byte, error) {
	t.Helper()
	if err := h.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	var a childAnswer
	if err := json.NewDecoder(h.out).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if a.Errno != 0 {
		return nil, a.Errno
	}
	if a.Err != "" {
		return nil, errors.New(a.Err)
	}
	var b []byte
	if err := json.Unmarshal(a.Result, &b); err != nil {
		t.Fatal(err)
	}
	return b, nil
}

// eventually waits for what a mount has to learn. By default that takes two
// seconds, and some more where the machine has other things to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < 4*time.Second; time.Sleep(quick) {
		if is() {
			return
		}
	}
	t.Errorf("%s: not in time", what)
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// keep writes b to a file outside of the mount, for a child to compare with.
func keep(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "want")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
