package vcb

import (
	"regexp"
	"strings"

	"granary/capture/process"
)

// known maps the programs' words, lower case, to what they mean. The first row
// that fits wins, so what is narrow stands before what is wide. Real messages
// are hardly documented: the words are those that VMware uses elsewhere.
var known = []struct {
	kind  error
	words *regexp.Regexp
}{
	{ErrNoSpace, regexp.MustCompile(`no space|(not enough|insufficient|out of) (free |disk )*space|disk (is )?full|enospc`)},
	{ErrLogin, regexp.MustCompile(`password|log ?[io]n\b|authenticat|credential|(no|not have|insufficient) permission`)},
	{ErrLeftover, regexp.MustCompile(`_vcb-backup_|preexisting_vcb_snapshot|snapshot.* already exists`)},
	{ErrExists, regexp.MustCompile(`already exists|file exists|preexisting_mountpoint|not empty`)},
	{ErrNotFound, regexp.MustCompile(`\b(vms?|virtual machines?)\b.*(not (be )?found|not exist|no match|not match)|` +
		`(\bno|not find( any| a)?|no such|not match( any)?)( matching)? (vms?|virtual machines?)\b`)},
	{ErrTimeout, regexp.MustCompile(`timed out|time-?out`)},
}

var (
	// logLine is a line of the programs' log: "[time 'part' thread level] text".
	logLine = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]?\d* '[^']*' \S+ (\w+)\] ?(.*)$`)
	// errorLine is one without such a head. "Error" with its colon may also be
	// what a log line says.
	errorLine = regexp.MustCompile(`(?i)^error: *(.*)$`)
)

// sayings takes the printed text apart: lines that tell of an error, and the
// rest, both without their heads and without blank ones. Log lines of a level
// below warning are neither.
func sayings(text string) (failed, other []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		level := ""
		if m := logLine.FindStringSubmatch(line); m != nil {
			level, line = strings.ToLower(m[1]), m[2]
		}
		m := errorLine.FindStringSubmatch(line)
		switch {
		case m != nil:
			failed = append(failed, m[1])
		case level == "error" || level == "fatal" || level == "panic":
			failed = append(failed, line)
		case line != "" && (level == "" || level == "warning"):
			other = append(other, line)
		}
	}
	return failed, other
}

// classify returns the sentinel behind message, or nil.
func classify(message string) error {
	text := strings.ToLower(message)
	for _, k := range known {
		if k.words.MatchString(text) {
			return k.kind
		}
	}
	return nil
}

// withoutNames removes what the operator named from a message: a machine called
// "no space" tells nothing about space. A bare name, which may be as short as
// one letter, is known by its quotes only.
func (k *call) withoutNames(message string) string {
	_, name, _ := strings.Cut(k.target, ":")
	for _, known := range []string{k.target, k.dir, `"` + name + `"`, "'" + name + "'"} {
		message = strings.ReplaceAll(message, known, "")
	}
	return message
}

// failure turns a finished program into an *Error, or nil if it succeeded.
func (k *call) failure(r process.Result) *Error {
	failed, other := sayings(r.Stdout)
	failedErr, otherErr := sayings(r.Stderr)
	said := append(failed, failedErr...)
	if r.Status == 0 && len(said) == 0 {
		return nil
	}
	if len(said) == 0 {
		// Not the whole text: a usage page holds every word there is. A prompt
		// that met the empty input is a last line.
		said = append(ends(otherErr), ends(other)...)
	}
	e := k.fail(r, "it ended with "+r.Ended+" and said nothing")
	if len(said) > 0 {
		e.Message = said[0]
	}
	for _, line := range said {
		if kind := classify(k.withoutNames(line)); kind != nil {
			e.kind, e.Message = kind, line
			break
		}
	}
	e.Message = strings.ToValidUTF8(process.Redact(e.Message, k.c.Password), "\uFFFD")
	return e
}

// ends returns the first and the last of lines.
func ends(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return []string{lines[0], lines[len(lines)-1]}
}
