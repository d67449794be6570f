//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func someReport() *report {
	r := &report{Rounds: 3, Date: "2026-01-02", Command: "make bench", results: newResults(),
		Tools: []toolFacts{{Name: granaryName, Version: "granary 1"}, {Name: resticName, Version: "restic 2"}, {Name: plainName}}}
	for _, seconds := range []float64{4, 6, 5} {
		r.add("first", granaryName, seconds)
		r.add("first", resticName, 10*seconds)
	}
	r.add("random", granaryName, 6000)
	r.add("random", plainName, 24000)
	r.fail("random", resticName, errors.New("/secret/place: no such file"))
	return r
}

func TestTables(t *testing.T) {
	const table = `|  | granary | restic | plain file |
| --- | ---: | ---: | ---: |
| first capture, s | 5.0 | 50.0 | - |
| mounted, random 4 KiB reads, a second | 6000 | failed | 24000 |
`
	if got := someReport().Table(); got != table {
		t.Errorf("table:\n%swant:\n%s", got, table)
	}
	const advantages = `|  | restic | plain file |
| --- | ---: | ---: |
| first capture, s | 10.00 | - |
| mounted, random 4 KiB reads, a second | - | 0.25 |
`
	if got := someReport().Advantages(); got != advantages {
		t.Errorf("advantages:\n%swant:\n%s", got, advantages)
	}
	for _, line := range []string{
		"| first capture: 7 times restic's speed | 10.00 times | met |\n",
		"| mounted, random 4 KiB reads: 10 times restic's | - | not measured |\n",
	} {
		if got := someReport().Goals(); !strings.Contains(got, line) {
			t.Errorf("no %q in:\n%s", line, got)
		}
	}
}

func TestDocumentHasAllAndNoPaths(t *testing.T) {
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	r := someReport()
	var printed strings.Builder
	if err := r.publish(&printed, path); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil || string(written) != printed.String() {
		t.Errorf("what is written differs from what is printed: %v", err)
	}
	for _, want := range []string{r.Table(), r.Advantages(), r.Goals(), "restic 2", "2026-01-02, medians of 3 rounds", "`make bench`"} {
		if !strings.Contains(printed.String(), want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	if strings.Contains(printed.String(), "/secret") {
		t.Error("the document shows why a step failed, and so a path")
	}
}

func TestCommandLine(t *testing.T) {
	s, err := parseSettings([]string{"-dir", "/some/place", "-restic", "/some/restic", "-rounds", "1", "-peers", "restic,borg-4m"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.command(), "make bench BENCH='-peers=restic,borg-4m -restic=FILE -rounds=1'"; got != want {
		t.Errorf("command %q, want %q", got, want)
	}
	var names []string
	for _, tool := range s.tools() {
		names = append(names, tool.name)
	}
	if got, want := strings.Join(names, " "), "granary restic borg-4m plain file"; got != want {
		t.Errorf("tools %q, want %q", got, want)
	}
	for _, args := range [][]string{{"-rounds", "0"}, {"-peers", "tar"}, {"-steps", "first,dance"}, {"now"}, {"-frobnicate"}} {
		if _, err := parseSettings(args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want errUsage", args, err)
		}
	}
}
