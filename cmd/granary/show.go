package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"granary/repo"
	"granary/repo/format"
)

func (p *program) showCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show the files of a generation and how it was captured",
		ArgsUsage: "VM[@GENERATION]",
		Description: "   granary show web\n" +
			"   granary show web@2026-11-23",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1, "one VM or VM@GENERATION"); err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error {
				g, err := findGeneration(c.Context, r, c.Args().First())
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return p.printJSON(showJSON(g))
				}
				return p.show(g)
			})
		},
	}
}

type fileJSON struct {
	Path      string `json:"path"`
	Source    string `json:"source"`
	Size      int64  `json:"size"`
	Allocated int64  `json:"allocated_bytes"`
	Modified  string `json:"modified"`
	Root      string `json:"root"`
}

func showJSON(g *repo.Generation) any {
	facts := map[string]string{}
	for _, f := range g.Facts {
		facts[f.Key] = f.Value
	}
	files := make([]fileJSON, 0, len(g.Files))
	for _, f := range g.Files {
		files = append(files, fileJSON{f.Path, f.Source, f.Size, f.Allocated, rfc3339(f.ModTime), f.Root.String()})
	}
	return struct {
		generationJSON
		Frozen  string            `json:"frozen"`
		Session string            `json:"session"`
		Facts   map[string]string `json:"facts"`
		List    []fileJSON        `json:"file_list"`
	}{factsOf(g), rfc3339(g.Frozen), g.Session.String(), facts, files}
}

func rfc3339(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func (p *program) show(g *repo.Generation) error {
	fmt.Fprintf(p.stdout, "%s\nfrozen       %s\nconsistency  %s\nsession      %s\n", g, rfc3339(g.Frozen), g.Consistency, g.Session)
	for _, f := range g.Facts {
		fmt.Fprintf(p.stdout, "%-12s %s\n", f.Key, oneLine(f.Value))
	}
	fmt.Fprintln(p.stdout)
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SIZE\tDATA\tMODIFIED\tFILE")
	for i := range g.Files {
		f := &g.Files[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", size(f.Size), size(f.Allocated), time.Unix(0, f.ModTime).UTC().Format(format.GenerationTime), oneLine(f.Path))
	}
	return table.Flush()
}
