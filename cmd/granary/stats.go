package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"granary/repo"
)

func (p *program) statsCommand() *cli.Command {
	return &cli.Command{
		Name:        "stats",
		Usage:       "sum up what the repository holds",
		Description: "   granary stats",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error {
				s, err := r.Stats(c.Context)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return p.printJSON(map[string]any{"vms": s.VMs, "generations": s.Generations, "logical_bytes": s.LogicalBytes, "data_bytes": s.DataBytes,
						"packs": s.Packs, "grains": s.Grains, "new_bytes": s.NewBytes, "stored_bytes": s.StoredBytes})
				}
				fmt.Fprintf(p.stdout, "VMs          %d\ngenerations  %d\nfiles        %s, of which %s data\nstored       %s in %d packs, %d grains\n",
					s.VMs, s.Generations, size(s.LogicalBytes), size(s.DataBytes), size(s.StoredBytes), s.Packs, s.Grains)
				if s.StoredBytes > 0 {
					fmt.Fprintf(p.stdout, "saved        data to stored %.1f:1, of which compression %.1f:1\n",
						float64(s.DataBytes)/float64(s.StoredBytes), float64(s.NewBytes)/float64(s.StoredBytes))
				}
				return nil
			})
		},
	}
}
