package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/job"
)

// dryRun tells what capture would find and do, and touches nothing.
func (p *program) dryRun(c *cli.Context, taker *job.Taker, tasks []job.Task) error {
	p.remindOfRecovery(c)
	var statuses []int
	for _, task := range job.Distinct(tasks) {
		found, err := taker.Inspect(c.Context, task)
		if err != nil {
			statuses = append(statuses, p.report(fmt.Errorf("capture %s: %w", task.VM, err)))
		}
		for _, f := range found {
			if err := p.printPreflight(c, task, f); err != nil {
				return err
			}
			if !c.Bool("json") {
				for _, w := range f.Warnings {
					p.log(c).Warn(w)
				}
			}
			status := exitDone
			for _, problem := range f.Problems {
				status = p.report(fmt.Errorf("%s would not be captured: %w", nameOf(task, f), problem))
			}
			statuses = append(statuses, status)
		}
	}
	return together(statuses)
}

func nameOf(task job.Task, f *capture.Preflight) string {
	if f.Plan != nil {
		return f.Plan.Origin
	}
	return task.VM
}

// preflightJSON is what --dry-run --json prints of a VM: sizes in bytes,
// durations in seconds; null where something is not known.
type preflightJSON struct {
	Event        string        `json:"event"`
	VM           *string       `json:"vm"`
	VMX          string        `json:"vmx"`
	State        string        `json:"state"`
	Quiesce      string        `json:"quiesce"`
	Version      string        `json:"tool_version"`
	Files        *int          `json:"files"`
	Logical      *int64        `json:"logical_bytes"`
	Free         *int64        `json:"free_bytes"`
	Wanted       int64         `json:"wanted_bytes"`
	Last         *string       `json:"last_generation"`
	LastDowntime *float64      `json:"last_downtime_seconds"`
	Warnings     []string      `json:"warnings"`
	Problems     []problemJSON `json:"problems"`
}

type problemJSON struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func (p *program) printPreflight(c *cli.Context, task job.Task, f *capture.Preflight) error {
	if !c.Bool("json") {
		return p.printPreflightTable(task, f)
	}
	j := preflightJSON{Event: "preflight", VMX: nameOf(task, f), State: string(f.State), Quiesce: string(task.Quiesce), Version: f.Version,
		Wanted: f.Wanted, Warnings: append([]string{}, f.Warnings...), Problems: []problemJSON{}}
	if f.Plan != nil {
		files, logical := len(f.Plan.Files), f.Plan.Size()
		j.VM, j.Files, j.Logical = &f.Plan.Name, &files, &logical
	}
	if f.Free >= 0 {
		j.Free = &f.Free
	}
	if f.Parent != nil {
		last := f.Parent.String()
		j.Last = &last
		if f.Parent.Downtime >= 0 {
			seconds := time.Duration(f.Parent.Downtime).Seconds()
			j.LastDowntime = &seconds
		}
	}
	for _, problem := range f.Problems {
		j.Problems = append(j.Problems, problemJSON{oneLine(problem.Error()), hint(problem)})
	}
	return p.printJSON(j)
}

func (p *program) printPreflightTable(task job.Task, f *capture.Preflight) error {
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "  %s\t%s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(table, "%s\n", oneLine(nameOf(task, f)))
	if f.Version != "" {
		row("tool", "%s %s", task.Host.DriverName(), f.Version)
	}
	state := string(f.State)
	if state == "" {
		state = "unknown"
	}
	row("VM", "%s", state)
	switch {
	case f.State == capture.Running:
		row("method", "%s", task.Quiesce)
	case f.State != "":
		row("method", "captured as it lies, and left so")
	}
	if f.Plan != nil {
		row("captured as", "%s", f.Plan.Name)
		row("content", "%d files, %s", len(f.Plan.Files), size(f.Plan.Size()))
	}
	if f.Free >= 0 {
		row("room", "%s; may need %s", size(f.Free), size(f.Wanted))
	}
	if f.Parent == nil {
		row("last time", "never captured")
	} else {
		row("last time", "%s, guest down %s", f.Parent, downtimeText(time.Duration(f.Parent.Downtime), f.Parent.Downtime >= 0))
	}
	return table.Flush()
}

// downtimeText is how long a guest was down for a generation.
func downtimeText(downtime time.Duration, known bool) string {
	if !known {
		return "unknown"
	}
	return downtime.Round(100 * time.Millisecond).String()
}
