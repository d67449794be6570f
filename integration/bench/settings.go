//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errUsage = errors.New("wrong usage")

// settings is the command line.
type settings struct {
	dir, out        string
	granary, restic string
	rounds          int
	peers, steps    []string
	given           []string // the flags that were set, as the document names them
}

func parseSettings(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.dir, "dir", filepath.Join(os.TempDir(), "granary-bench"), "folder to work in; the data in it are used again")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each step is measured")
	peers := flags.String("peers", strings.Join(peerNames(), ","), "what granary is compared with")
	steps := flags.String("steps", strings.Join(stepNames(), ","), "what is measured; the first capture always is")
	flags.StringVar(&s.out, "out", "docs/benchmarks.md", "file to write the document to; none if empty")
	flags.StringVar(&s.granary, "granary", "bin/granary", "the granary to measure")
	flags.StringVar(&s.restic, "restic", "restic", "the restic to measure")
	if err := flags.Parse(args); err != nil {
		return settings{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() > 0 || s.rounds < 1 {
		return settings{}, fmt.Errorf("%w: at least one round, and no arguments", errUsage)
	}
	var err error
	if s.peers, err = choose(*peers, peerNames()); err != nil {
		return settings{}, fmt.Errorf("%w: -peers: %w", errUsage, err)
	}
	if s.steps, err = choose(*steps, stepNames()); err != nil {
		return settings{}, fmt.Errorf("%w: -steps: %w", errUsage, err)
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "rounds", "peers", "steps":
			s.given = append(s.given, fmt.Sprintf("-%s=%s", f.Name, f.Value))
		case "restic":
			s.given = append(s.given, "-restic=FILE")
		}
	})
	// The programs run in other folders.
	for _, path := range []*string{&s.dir, &s.granary, &s.restic} {
		if !strings.Contains(*path, "/") {
			continue // a program on the PATH
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return settings{}, err
		}
	}
	return s, nil
}

// choose splits a list, each word of which must be one of those allowed.
func choose(list string, allowed []string) ([]string, error) {
	var chosen []string
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if !slices.Contains(allowed, word) {
			return nil, fmt.Errorf("%q is none of %s", word, strings.Join(allowed, ", "))
		}
		chosen = append(chosen, word)
	}
	return chosen, nil
}

// command is how to run this again, without the paths of this machine.
func (s settings) command() string {
	if len(s.given) == 0 {
		return "make bench"
	}
	return fmt.Sprintf("make bench BENCH='%s'", strings.Join(s.given, " "))
}

// tools returns granary, its peers and, last, the plain file.
func (s settings) tools() []tool {
	tools := []tool{granary(s.granary)}
	for _, name := range s.peers {
		tools = append(tools, peers(s.restic)[slices.Index(peerNames(), name)])
	}
	return append(tools, plainFile())
}
