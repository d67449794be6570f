package strict

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxSize is the largest document, in bytes.
	MaxSize = 256 << 10
	// maxDepth bounds how deep lists and mappings nest: the parser calls
	// itself for each.
	maxDepth = 100
	// maxVisits bounds how many values are looked at, those behind aliases
	// each time.
	maxVisits = 200_000
)

// Document is a file that was parsed. Problems gather in it. It is not safe for
// concurrent use.
type Document struct {
	path     string
	lines    []string
	root     ast.Node
	anchors  map[string]ast.Node
	problems []*Problem
	visits   int
}

// Parse reads a document. The path is for problems. The error is a Problem
// where a place is known.
func Parse(path string, data []byte) (*Document, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%s: it has %d bytes, more than %d", path, len(data), MaxSize)
	}
	if i := firstInvalid(data); i >= 0 {
		return nil, fmt.Errorf("%s:%d: this is not UTF-8", path, 1+bytes.Count(data[:i], []byte("\n")))
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	d := &Document{path: path, lines: strings.Split(text, "\n"), anchors: map[string]ast.Node{}}
	tokens := lexer.Tokenize(text)
	if deep := tooDeep(tokens); deep != nil {
		return nil, d.problem(deep, "lists and mappings are nested too deeply")
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, d.syntax(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if d.root != nil {
			return nil, d.problem(doc.Body.GetToken(), "a second document begins here; want one")
		}
		d.root = doc.Body
	}
	if d.root == nil {
		return nil, fmt.Errorf("%s: it is empty", path)
	}
	ast.Walk(anchorFinder{d}, d.root)
	return d, d.Err()
}

// firstInvalid is the offset of the first byte that is no UTF-8, or -1.
func firstInvalid(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// tooDeep is a token whose nesting would exhaust the parser's stack, or nil.
// Blocks nest by brackets, or by marks on one line; by growing indentation they
// cannot nest deeper than the size allows.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, marks, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			marks, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			marks++
		}
		if brackets > maxDepth || marks > maxDepth {
			return t
		}
	}
	return nil
}

// syntax says what the parser did not understand.
func (d *Document) syntax(err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		return d.problem(at.GetToken(), at.GetMessage())
	}
	return fmt.Errorf("%s: %w", d.path, err)
}

// anchorFinder notes what the anchors name.
type anchorFinder struct{ *Document }

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		name := anchor.Name.GetToken().Value
		if f.anchors[name] != nil {
			f.problems = append(f.problems, f.problem(anchor.GetToken(), fmt.Sprintf("the anchor %q is set a second time", name)))
		}
		f.anchors[name] = anchor.Value
	}
	return f
}
