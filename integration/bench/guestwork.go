//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// seed is where all that is random comes from.
const seed = "granary"

// newRandom returns a source for one purpose, the same in every run.
func newRandom(purpose string) *rand.ChaCha8 {
	return rand.NewChaCha8(sha256.Sum256([]byte(seed + "/" + purpose)))
}

// The guest's database: a file of pages that do not compress.
const (
	database      = "var/lib/postgresql/15/main/base.db"
	pageSize      = 8 << 10
	databasePages = 300_000_000 / pageSize
	writtenPages  = 2000 // between state 2 and 3
)

// logs and how many bytes of text they get in the day of work.
var logs = map[string]int64{
	"var/log/apache2/access.log":                6_000_000,
	"var/log/syslog":                            4_000_000,
	"var/log/postgresql/postgresql-15-main.log": 3_000_000,
}

// makeDay makes state 2, a day of work later: the database has come, logs have
// been written, some files changed and some deleted.
func (d *data) makeDay(ctx context.Context) error {
	return d.inGuest(ctx, 2, func(root string) error {
		if err := makeDatabase(filepath.Join(root, database)); err != nil {
			return err
		}
		if err := appendLogs(root, "a day of logs", 1); err != nil {
			return err
		}
		err := eachNth(filepath.Join(root, "etc"), 4, func(path string) error {
			return appendTo(path, func(w io.Writer) error { return writeLog(w, 200, newRandom(filepath.Base(path)), birthday) })
		})
		if err != nil {
			return err
		}
		return eachNth(filepath.Join(root, "usr/share/doc"), 10, os.Remove)
	})
}

// makePages makes state 3: pages all over the database have been written, and a
// few lines of log.
func (d *data) makePages(ctx context.Context) error {
	return d.inGuest(ctx, 3, func(root string) error {
		f, err := os.OpenFile(filepath.Join(root, database), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		err = writePages(f, databasePages, writtenPages, newRandom("written pages"))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		return appendLogs(root, "more logs", 20)
	})
}

func makeDatabase(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, newRandom("database"), databasePages*pageSize)
	return errors.Join(err, f.Close())
}

// writePages writes random bytes to count distinct ones of the pages of w.
func writePages(w io.WriterAt, pages, count int, source *rand.ChaCha8) error {
	page := make([]byte, pageSize)
	for _, number := range rand.New(source).Perm(pages)[:count] {
		source.Read(page)
		if _, err := w.WriteAt(page, int64(number)*pageSize); err != nil {
			return fmt.Errorf("write page %d: %w", number, err)
		}
	}
	return nil
}

// appendLogs writes to every log the part-th part of what it gets in a day.
func appendLogs(root, purpose string, part int64) error {
	for name, size := range logs {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		err := appendTo(path, func(w io.Writer) error {
			return writeLog(w, size/part, newRandom(purpose+name), birthday.Add(24*time.Hour))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// writeLog writes lines such as a web server's, size bytes or the rest of a line
// more, from a time on.
func writeLog(w io.Writer, size int64, source *rand.ChaCha8, at time.Time) error {
	random := rand.New(source)
	buffered := bufio.NewWriter(w)
	verbs := []string{"GET", "GET", "GET", "GET", "POST", "HEAD"}
	pages := []string{"/", "/index.html", "/static/site.css", "/cart", "/search?q=", "/article/"}
	codes := []int{200, 200, 200, 200, 304, 404, 500}
	for written := int64(0); written < size; {
		at = at.Add(time.Duration(random.IntN(900)) * time.Millisecond)
		n, err := fmt.Fprintf(buffered, "192.0.2.%d - - [%s] \"%s %s%x HTTP/1.1\" %d %d \"-\" \"Mozilla/5.0 (X11; Linux x86_64) rv:%d.0\"\n",
			random.IntN(256), at.Format("02/Jan/2006:15:04:05 -0700"), verbs[random.IntN(len(verbs))], pages[random.IntN(len(pages))],
			random.Uint32(), codes[random.IntN(len(codes))], random.IntN(60000), 100+random.IntN(40))
		if err != nil {
			return err
		}
		written += int64(n)
	}
	return buffered.Flush()
}

// eachNth does something with every nth regular file below a folder.
func eachNth(folder string, n int, do func(path string) error) error {
	count := 0
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if count++; count%n != 0 {
			return nil
		}
		return do(path)
	})
}
