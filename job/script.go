package job

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"granary/capture/process"
	"granary/job/strict"
)

// Script is a program of the operator's on this machine. A nil one does
// nothing.
type Script struct {
	// Program is a program and its arguments, run without a shell. If it is
	// empty, Text is run by /bin/sh -c.
	Program  []string
	Text     string
	Deadline time.Duration // DefaultScriptDeadline if 0
}

const (
	// DefaultScriptDeadline is how long a script may take.
	DefaultScriptDeadline = 10 * time.Minute
	// scriptGrace is how long a script may take to end when it is told to.
	scriptGrace = 10 * time.Second
	// maxVariable bounds a variable of a script's environment, in bytes: one
	// that is too long keeps the script from starting.
	maxVariable = 16 << 10
)

// Run runs the script in this process's environment, less its passwords, and
// env besides. What it prints goes to the log. The error says that it could not
// be started, that it ended with another status than 0, or that ctx or the
// deadline ended it.
func (s *Script) Run(ctx context.Context, env []string, log *slog.Logger) error {
	if s == nil {
		return nil
	}
	argv := s.Program
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c", s.Text}
	}
	deadline := s.Deadline
	if deadline == 0 {
		deadline = DefaultScriptDeadline
	}
	running, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("run script: %w", err)
	}
	all := process.Environment()
	for _, variable := range env {
		all = append(all, clean(variable))
	}
	result, err := process.Run(running, process.Command{Program: program, Args: argv[1:], Env: all, Grace: scriptGrace})
	if err != nil {
		return fmt.Errorf("run script %s: %w", argv[0], err)
	}
	shown := result.Shown()
	if shown != "" {
		log.Info("a script printed", "script", argv[0], "output", shown)
	}
	switch {
	case result.Killed && ctx.Err() != nil:
		return fmt.Errorf("run script %s: %w", argv[0], context.Cause(ctx))
	case result.Killed:
		return fmt.Errorf("run script %s: it had not ended after %s", argv[0], deadline)
	case result.Status != 0:
		return fmt.Errorf("run script %s: %s%s", argv[0], result.Ended, lastLine(shown))
	}
	return nil
}

// maxLastLine bounds how much of a script's output an error repeats, in bytes.
const maxLastLine = 200

// lastLine is the end of what a script that failed printed: mostly the reason.
func lastLine(shown string) string {
	line := shown[strings.LastIndexByte(shown, '\n')+1:]
	if line == "" {
		return ""
	}
	if len(line) > maxLastLine {
		line = strings.ToValidUTF8(line[:maxLastLine], "") + "…"
	}
	return ": " + line
}

// clean makes a variable fit for an environment, which holds no NUL.
func clean(variable string) string {
	variable = strings.ReplaceAll(variable, "\x00", "\uFFFD")
	if len(variable) > maxVariable {
		variable = variable[:maxVariable]
	}
	return variable
}

// UnmarshalStrict takes a list, a program with arguments, or a text, a script
// for the shell.
func (s *Script) UnmarshalStrict(d *strict.Document, n strict.Node) {
	if !d.IsList(n) {
		if _, text := d.Text(n); !text {
			d.Refuse(n, "want a list, a program and its arguments, or a text, a script for the shell")
			return
		}
		d.Decode(n, &s.Text)
		if strings.TrimSpace(s.Text) == "" {
			d.Refuse(n, "the script is empty")
		}
		return
	}
	d.Decode(n, &s.Program)
	switch {
	case len(s.Program) == 0 || s.Program[0] == "":
		d.Refuse(n, "the program is missing")
	case isRelative(s.Program[0]):
		d.Refuse(n, "the program %q: want an absolute path, or a name to look for on the PATH", s.Program[0])
	}
}

// isRelative tells whether a program is a path that depends on the working
// directory, rather than an absolute one or a name on the PATH.
func isRelative(program string) bool {
	return strings.ContainsAny(program, `/\`) && !filepath.IsAbs(program)
}
