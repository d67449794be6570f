package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/repo"
)

func (p *program) restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "write files of a generation, sparse, in parallel and verified",
		ArgsUsage: "VM[@GENERATION] [FILE…] | TEAM[@GENERATION]",
		Description: "Without FILE, all files; of a team all VMs, each in a folder of its own. Existing files are not replaced without --force.\n" +
			"With --in-place, existing files are compared, and only what differs is written to them: there is no way back. Meanwhile a file\n" +
			"that changes is called FILE.granary-partial; after an interruption the same command finishes it.\n\n" +
			"   granary restore web --to /vms/web-restored\n" +
			"   granary restore web@2026-11-23T041500Z web.vmdk web-flat.vmdk --to /vms/web\n" +
			"   granary restore web@2026-11-23T041500Z --in-place --to /vms/web",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "the `FOLDER` to write to"},
			&cli.BoolFlag{Name: "force", Usage: "replace files that exist"},
			&cli.BoolFlag{Name: "in-place", Usage: "rewrite files that exist where they differ"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, -1, "a VM or VM@GENERATION, and files"); err != nil {
				return err
			}
			if c.String("to") == "" {
				return usage("restore needs --to FOLDER")
			}
			if c.Bool("force") && c.Bool("in-place") {
				return usage("--force replaces files, --in-place rewrites them: choose one")
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.restore(c, r) })
		},
	}
}

// restore writes files of a generation, or a VM's or a team's whole: those of a
// team below a folder for each VM.
func (p *program) restore(c *cli.Context, r *repo.Repo) error {
	spec, files, to := c.Args().First(), c.Args().Tail(), c.String("to")
	list, err := r.Generations(c.Context)
	if err != nil {
		return err
	}
	name, at, _ := strings.Cut(spec, "@")
	if len(list.Of(name)) == 0 && len(capture.TeamSets(list.Generations, name)) > 0 {
		if len(files) > 0 {
			return usage("%s is a team: name one of its VMs to restore single files", name)
		}
		return p.restoreTeam(c, r, list, name, at)
	}
	g, err := list.Find(spec)
	if err != nil {
		return err
	}
	return p.restoreOne(c, r, g, files, to)
}

func (p *program) restoreTeam(c *cli.Context, r *repo.Repo, list *repo.Listing, team, at string) error {
	set, err := capture.FindTeamSet(list.Generations, team, at)
	if err != nil {
		return err
	}
	if !set.Whole {
		p.log(c).Warn("of this team set not all VMs are there: those that are were of one point in time", "team", team)
	}
	for _, g := range set.Members {
		if err := p.restoreOne(c, r, g, nil, filepath.Join(c.String("to"), g.VM)); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) restoreOne(c *cli.Context, r *repo.Repo, g *repo.Generation, files []string, to string) error {
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
	defer bar.End()
	bar.Expect(total)
	inPlace := c.Bool("in-place")
	report, err := r.Restore(c.Context, g, files, to, repo.RestoreOptions{Force: c.Bool("force"), InPlace: inPlace, Progress: bar.Add})
	bar.End()
	if errors.Is(err, fs.ErrExist) && !inPlace {
		return &hintedError{err.Error(), "--force replaces files that exist, --in-place rewrites what differs in them"}
	}
	if errors.Is(err, repo.ErrInUse) {
		return &hintedError{err.Error(), "stop the VM; if it certainly is off everywhere, VMware left the lock behind: remove that .lck"}
	}
	if err != nil {
		return err
	}
	return p.printRestored(c, g, to, count, total, report)
}

func (p *program) printRestored(c *cli.Context, g *repo.Generation, to string, files int, total int64, r repo.RestoreReport) error {
	inPlace := c.Bool("in-place")
	switch {
	case c.Bool("json"):
		event := map[string]any{"event": "restored", "vm": g.VM, "generation": g.Name, "files": files, "logical_bytes": total, "to": to}
		if inPlace {
			event["read_bytes"], event["different_bytes"] = r.ReadBytes, r.DifferentBytes
			event["written_bytes"], event["punched_bytes"] = r.WrittenBytes, r.PunchedBytes
		}
		return p.printJSON(event)
	case c.Bool("quiet"):
	case inPlace:
		fmt.Fprintf(p.stdout, "%s: restored %d files in place, %s, in %s; %s read, %s different, %s written, %s made holes\n",
			g, files, size(total), to, size(r.ReadBytes), size(r.DifferentBytes), size(r.WrittenBytes), size(r.PunchedBytes))
	default:
		fmt.Fprintf(p.stdout, "%s: restored %d files, %s, to %s\n", g, files, size(total), to)
	}
	return nil
}
