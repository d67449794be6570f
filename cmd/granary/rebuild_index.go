package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"granary/repo"
)

func (p *program) rebuildIndexCommand() *cli.Command {
	return &cli.Command{
		Name:  "rebuild-index",
		Usage: "throw the index away and make it again from the packs",
		Description: "Never needed in ordinary use: granary does so itself when it must.\n\n" +
			"   granary rebuild-index",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error {
				packs, err := r.RebuildIndex(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return p.printJSON(map[string]any{"packs": packs})
				}
				if !c.Bool("quiet") {
					fmt.Fprintf(p.stdout, "index rebuilt from %d packs\n", packs)
				}
				return nil
			})
		},
	}
}
