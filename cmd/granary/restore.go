package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/urfave/cli/v2"

	"granary/repo"
)

func (p *program) restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "write files of a generation, sparse, in parallel and verified",
		ArgsUsage: "VM[@GENERATION] [FILE…]",
		Description: "Without FILE, all files. Existing files are not replaced without --force.\n\n" +
			"   granary restore web --to /vms/web-restored\n" +
			"   granary restore web@2026-11-23T041500Z web.vmdk web-flat.vmdk --to /vms/web",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "the `FOLDER` to write to"},
			&cli.BoolFlag{Name: "force", Usage: "replace files that exist"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, -1, "a VM or VM@GENERATION, and files"); err != nil {
				return err
			}
			if c.String("to") == "" {
				return usage("restore needs --to FOLDER")
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.restore(c, r) })
		},
	}
}

func (p *program) restore(c *cli.Context, r *repo.Repo) error {
	g, err := findGeneration(c.Context, r, c.Args().First())
	if err != nil {
		return err
	}
	files := c.Args().Tail()
	slices.Sort(files)
	files = slices.Compact(files)
	total, count := repo.LogicalBytes(g.Manifest), len(g.Files)
	if len(files) > 0 {
		total, count = 0, len(files)
		for _, path := range files {
			if f := g.File(path); f != nil {
				total += f.Size
			}
		}
	}
	bar := p.progress(c, g.String())
	defer bar.end()
	bar.expect(total)
	err = r.Restore(c.Context, g, files, c.String("to"), repo.RestoreOptions{Force: c.Bool("force"), Progress: bar.add})
	bar.end()
	if errors.Is(err, fs.ErrExist) {
		return &hintedError{err.Error(), "--force replaces files that exist"}
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(map[string]any{"event": "restored", "vm": g.VM, "generation": g.Name, "files": count, "logical_bytes": total, "to": c.String("to")})
	}
	if !c.Bool("quiet") {
		fmt.Fprintf(p.stdout, "%s: restored %d files, %s, to %s\n", g, count, size(total), c.String("to"))
	}
	return nil
}
