//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/template"
)

// report is all that is known at the end.
type report struct {
	Date    string
	Command string
	Rounds  int
	Machine machine
	Tools   []toolFacts // granary, its peers, the plain file
	Data    data
	*results
	OwnPeakMiB float64 // of this program: no peak below it can be seen
}

//go:embed document.tmpl
var documentText string

// publish prints the document and, where a path is given, writes it there.
func (r *report) publish(stdout io.Writer, path string) error {
	text, err := r.document()
	if err != nil {
		return fmt.Errorf("write the document: %w", err)
	}
	if _, err := io.WriteString(stdout, text); err != nil || path == "" {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func (r *report) document() (string, error) {
	functions := template.FuncMap{"mib": func(bytes int64) int64 { return bytes >> 20 }}
	parsed, err := template.New("document").Funcs(functions).Parse(documentText)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, r)
	return out.String(), err
}

// Table has the medians: rows are metrics, columns tools.
func (r *report) Table() string {
	return r.rows(r.Tools, func(m metric, tool string) string { return r.cell(m, tool) })
}

// Advantages has how many times better granary is than each other tool.
func (r *report) Advantages() string {
	return r.rows(r.Tools[1:], func(m metric, tool string) string {
		value, ok := r.median(m, granaryName)
		peer, okPeer := r.median(m, tool)
		if !ok || !okPeer {
			return none
		}
		return fmt.Sprintf("%.2f", m.advantage(value, peer))
	})
}

// rows makes a table of those metrics for which any tool has a cell.
func (r *report) rows(tools []toolFacts, cell func(m metric, tool string) string) string {
	head, rule := []string{""}, []string{"---"}
	for _, tool := range tools {
		head, rule = append(head, tool.Name), append(rule, "---:")
	}
	lines := []string{row(head), row(rule)}
	for _, m := range metrics {
		cells := []string{m.title + ", " + m.unit}
		for _, tool := range tools {
			cells = append(cells, cell(m, tool.Name))
		}
		if slices.ContainsFunc(cells[1:], func(cell string) bool { return cell != none }) {
			lines = append(lines, row(cells))
		}
	}
	return strings.Join(lines, "")
}

// none is a cell without a value.
const none = "-"

func row(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// Goals has each goal, what was measured, and whether it is met.
func (r *report) Goals() string {
	var out strings.Builder
	out.WriteString(row([]string{"goal", "measured", ""}) + row([]string{"---", "---:", "---"}))
	for _, g := range goals {
		measured, verdict := g.judge(r.results)
		out.WriteString(row([]string{g.what, measured, verdict}))
	}
	return out.String()
}
