package job

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func sh(text string) *Script { return &Script{Text: text} }

func TestNoScriptDoesNothing(t *testing.T) {
	var none *Script
	if err := none.Run(t.Context(), nil, quiet); err != nil {
		t.Error(err)
	}
}

// A list never meets a shell: its arguments arrive as they are.
func TestProgramGetsItsArgumentsUnharmed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	hostile := "a b'\";rm -rf / $(id) `id` *\nü\xff"
	s := &Script{Program: []string{"sh", "-c", `printf %s "$1" > "$2"`, "sh", hostile, file}}
	if err := s.Run(t.Context(), nil, quiet); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != hostile {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestScriptSeesItsEnvironmentAndNoPassword(t *testing.T) {
	t.Setenv("GRANARY_PASSWORD", "hunter2")
	t.Setenv("D_PLAIN", "kept")
	var log bytes.Buffer
	env := []string{"GRANARY_VM=a\x00b", "GRANARY_ERROR=" + strings.Repeat("x", 1<<20), "D_PLAIN=ours"}
	err := sh(`env; test "$D_PLAIN" = ours && test -z "$GRANARY_PASSWORD" && test "$GRANARY_VM" = "a�b" && test ${#GRANARY_ERROR} -gt 1000`).
		Run(t.Context(), env, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("the log holds the password")
	}
}

func TestScriptFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		script *Script
		want   string
	}{
		{"a status", sh("echo noise; echo the reason >&2; exit 3"), "exit status 3: the reason"},
		{"a status and no word", sh("exit 4"), "exit status 4"},
		{"a signal", sh("kill -9 $$"), "signal: killed"},
		{"a program that is not there", &Script{Program: []string{"/nowhere/program"}}, "no such file"},
		{"a name that is nowhere on the PATH", &Script{Program: []string{"granary-test-nothing"}}, "not found"},
		{"a deadline", &Script{Text: "sleep 1000", Deadline: 50 * time.Millisecond}, "had not ended after 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.script.Run(t.Context(), nil, quiet)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestScriptEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(started); err == nil {
				cancel(enough)
			}
		}
	}()
	err := sh("touch '"+started+"'; sleep 1000").Run(ctx, nil, quiet)
	if !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	cancel(nil)
}

func TestScriptOutputIsLoggedAndBounded(t *testing.T) {
	var log bytes.Buffer
	if err := sh("echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end").Run(t.Context(), nil, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 20_000 || !strings.Contains(log.String(), "begin") || !strings.Contains(log.String(), "end") {
		t.Errorf("the log has %d bytes: %.100s", log.Len(), log.String())
	}
}
