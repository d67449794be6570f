package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"granary/repo"
	"granary/repo/format"
)

func (p *program) initCommand() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "make a repository",
		Description: "The folder must be missing or empty.\n\n" +
			"   granary -r /backup/vms init --plaintext",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "plaintext", Usage: "store without encryption (the only way so far)"},
			&cli.StringFlag{Name: "grain", Usage: "`SIZE` of a grain, 16K to 1M", DefaultText: "64K"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			where, err := location(c)
			if err != nil {
				return err
			}
			if !c.Bool("plaintext") {
				return usage("this granary cannot encrypt yet: say --plaintext to make a repository without encryption")
			}
			grain := uint64(format.DefaultGrain)
			if text := c.String("grain"); text != "" {
				if grain, err = humanize.ParseBytes(binaryUnits(text)); err != nil || grain > format.MaxGrain {
					return usage("--grain %s: want 16K to 1M", text)
				}
			}
			if err := format.CheckGrain(int(grain)); err != nil {
				return usage("--grain: %w", err)
			}
			if err := repo.Init(c.Context, where, int(grain)); err != nil {
				return err
			}
			if c.Bool("json") {
				return p.printJSON(map[string]any{"repository": where, "grain": grain})
			}
			if !c.Bool("quiet") {
				fmt.Fprintf(p.stdout, "made repository %s\n", where)
			}
			return nil
		},
	}
}

// binaryUnits reads K as KiB, as dd and qemu-img do.
func binaryUnits(text string) string {
	if n := len(text); n > 1 && (text[n-1] < '0' || text[n-1] > '9') && text[n-1] != 'B' && text[n-1] != 'b' {
		return text + "iB"
	}
	return text
}
