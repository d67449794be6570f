package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"granary/repo"
)

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name:  "check",
		Usage: "verify that every generation can be read back",
		Description: "Without --read-data the structure alone: manifests, packs, references.\n\n" +
			"   granary check\n" +
			"   granary check --read-data",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "read-data", Usage: "read and verify every grain"}},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.check(c, r) })
		},
	}
}

func (p *program) check(c *cli.Context, r *repo.Repo) error {
	bar := p.progress(c, "check")
	defer bar.End()
	report, err := r.Check(c.Context, repo.CheckOptions{ReadData: c.Bool("read-data"), Expect: bar.Expect, Progress: bar.Add})
	if err != nil {
		return err
	}
	bar.End()
	if c.Bool("json") {
		damage := []string{}
		for _, err := range report.Damage {
			damage = append(damage, err.Error())
		}
		err = p.printJSON(map[string]any{"generations": report.Generations, "packs": report.Packs, "grains": report.Grains, "read_bytes": report.ReadBytes,
			"index_rebuilt": report.IndexRebuilt, "unreferenced_packs": report.Unreferenced, "unreferenced_bytes": report.UnreferencedBytes,
			"damage_count": report.DamageCount, "damage": damage})
		if err != nil {
			return err
		}
	} else if !c.Bool("quiet") {
		p.printCheck(report)
	}
	if report.DamageCount == 0 {
		return nil
	}
	if !c.Bool("json") {
		for _, err := range report.Damage {
			fmt.Fprintf(p.stderr, "granary: %s\n", oneLine(err.Error()))
		}
	}
	return &statusError{exitDamage, fmt.Errorf("check: found damage in %d places", report.DamageCount)}
}

func (p *program) printCheck(report *repo.CheckReport) {
	fmt.Fprintf(p.stdout, "%d generations, %d packs, %d grains", report.Generations, report.Packs, report.Grains)
	if report.ReadBytes > 0 {
		fmt.Fprintf(p.stdout, ", %s read", size(report.ReadBytes))
	}
	if report.DamageCount == 0 {
		fmt.Fprint(p.stdout, ": no damage")
	}
	fmt.Fprintln(p.stdout)
	if report.IndexRebuilt {
		fmt.Fprintln(p.stdout, "the index disagreed with the packs and was rebuilt")
	}
	if report.Unreferenced > 0 {
		fmt.Fprintf(p.stdout, "%d packs (%s) belong to no generation: a capture is running, or was interrupted\n", report.Unreferenced, size(report.UnreferencedBytes))
	}
}
