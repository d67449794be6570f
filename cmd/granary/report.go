package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"

	"granary/capture"
	"granary/fusefs"
	"granary/job"
	"granary/repo"
	"granary/repo/format"
)

// Exit statuses, a contract with scripts.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitPartly       = 3
	exitDamage       = 4
	exitNoRepository = 5
)

// statusError is an error that decides the exit status. Its text is printed
// unless it is empty, when everything has been said before.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// hintedError is an error with a hint of its own.
type hintedError struct{ text, hint string }

func (e *hintedError) Error() string { return e.text }
func (e *hintedError) Hint() string  { return e.hint }

func usage(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

// report prints an error as `granary: what failed: why` with a hint where one
// is known, and returns the exit status.
func (p *program) report(err error) int {
	if err == nil {
		return exitDone
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(p.stderr, "granary: %s\n", oneLine(text))
		if h := hint(err); h != "" {
			fmt.Fprintf(p.stderr, "hint: %s\n", oneLine(h))
		}
	}
	return status(err)
}

func status(err error) int {
	var decided *statusError
	var damage *repo.DamageError
	switch {
	case errors.As(err, &decided):
		return decided.status
	case errors.Is(err, repo.ErrNoRepository), errors.Is(err, format.ErrNewer):
		return exitNoRepository
	case errors.As(err, &damage), errors.Is(err, format.ErrCorrupt):
		return exitDamage
	}
	return exitFailed
}

func hint(err error) string {
	if h := capture.Hint(err); h != "" {
		return h
	}
	var damage *repo.DamageError
	switch {
	case errors.Is(err, context.Canceled):
		return "it was interrupted"
	case errors.Is(err, syscall.ENOSPC):
		return "make room on that disk, and try again; what is stored already stays as it is"
	case errors.Is(err, repo.ErrNoRepository):
		return "make one with: granary -r FOLDER init --plaintext"
	case errors.Is(err, format.ErrNewer):
		return "update granary on this machine"
	case errors.Is(err, repo.ErrNotEmpty):
		return "choose a new or an empty folder"
	case errors.Is(err, fusefs.ErrNotEmpty), errors.Is(err, fusefs.ErrNoMountPoint):
		return "mount on an empty folder that exists: mkdir FOLDER"
	case errors.Is(err, fusefs.ErrOverlap):
		return "mount on a folder outside of the repository"
	case errors.Is(err, fusefs.ErrMounted):
		return "end that mount first: granary umount FOLDER"
	case errors.Is(err, fusefs.ErrBusy):
		return "fuser -vm FOLDER names who uses it"
	case errors.Is(err, capture.ErrNoJournal):
		return "granary recover and granary status name what waits"
	case errors.Is(err, job.ErrNoRecord):
		return "granary status names the VMs"
	case errors.Is(err, repo.ErrNotFound):
		return "granary list shows what there is"
	case errors.As(err, &damage):
		return "granary check --read-data shows the whole damage"
	}
	return ""
}

// oneLine keeps an error that joins several, and names that others chose, from
// breaking the form and from steering the terminal.
func oneLine(text string) string {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		switch {
		case r == '\n':
			out = append(out, ';', ' ')
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			out = append(out, '?')
		default:
			out = append(out, r)
		}
	}
	return string(out)
}

// printJSON writes one document on one line.
func (p *program) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(b, '\n'))
	return err
}

// lineHandler prints log records as lines like errors.
type lineHandler struct {
	w     io.Writer
	level slog.Level
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }
func (h *lineHandler) WithAttrs([]slog.Attr) slog.Handler           { return h }
func (h *lineHandler) WithGroup(string) slog.Handler                { return h }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	line := "granary: "
	if r.Level >= slog.LevelWarn {
		line += "warning: "
	}
	line += r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += fmt.Sprintf(" [%s: %v]", a.Key, a.Value)
		return true
	})
	_, err := fmt.Fprintln(h.w, oneLine(line))
	return err
}
