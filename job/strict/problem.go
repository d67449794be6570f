package strict

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Problem is one thing that is wrong with a document.
type Problem struct {
	Path         string
	Line, Column int // from 1
	Text         string
	Source       string // the line, shortened, without what might be a password
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", p.Path, p.Line, p.Column, p.Text, p.Source)
}

// maxSource bounds the part of a line that is shown, in bytes.
const maxSource = 200

// maxProblems bounds how many are told.
const maxProblems = 50

// password and login are what a line may hold that should have been elsewhere.
var (
	password = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|secret)(["']?\s*:).*`)
	login    = regexp.MustCompile(`[^\s:"']+:\S*@`) // user:password@host
)

func (d *Document) problem(at *token.Token, text string) *Problem {
	p := &Problem{Path: d.path, Line: 1, Column: 1, Text: login.ReplaceAllString(text, "***@")}
	if at != nil && at.Position != nil {
		p.Line, p.Column = max(1, min(at.Position.Line, len(d.lines))), max(1, at.Position.Column)
	}
	p.Source = password.ReplaceAllString(strings.TrimSpace(d.lines[p.Line-1]), "$1$3 ***")
	p.Source = login.ReplaceAllString(p.Source, "***@")
	if len(p.Source) > maxSource {
		p.Source = strings.ToValidUTF8(p.Source[:maxSource], "") + "…"
	}
	return p
}

// Refuse notes a problem with a value.
func (d *Document) Refuse(n Node, format string, args ...any) {
	var at *token.Token
	if n.node != nil {
		at = n.node.GetToken()
	}
	if n.key != nil {
		at = n.key
	}
	d.problems = append(d.problems, d.problem(at, fmt.Sprintf(format, args...)))
}

// Err joins the problems, in the order of their lines; nil if there is none.
func (d *Document) Err() error {
	sorted := slices.Clone(d.problems)
	slices.SortStableFunc(sorted, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Text, b.Text))
	})
	// What an alias repeats is told once.
	sorted = slices.CompactFunc(sorted, func(a, b *Problem) bool { return *a == *b })
	var errs []error
	for i, p := range sorted {
		if i == maxProblems {
			errs = append(errs, fmt.Errorf("%s: %d more problems", d.path, len(sorted)-i))
			break
		}
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}
