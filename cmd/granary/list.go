package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/repo"
)

func (p *program) listCommand() *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list generations",
		ArgsUsage: "[VM or team]",
		Description: "   granary list\n" +
			"   granary list web --json",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 1, "at most one VM or team"); err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.list(c, r) })
		},
	}
}

func (p *program) list(c *cli.Context, r *repo.Repo) error {
	list, err := r.Generations(c.Context)
	if err != nil {
		return err
	}
	generations := list.Generations
	if c.NArg() > 0 {
		name := c.Args().First()
		if generations = ofVMOrTeam(list, name); len(generations) == 0 {
			return fmt.Errorf("list: VM or team %q: %w", name, repo.ErrNotFound)
		}
	}
	if c.Bool("json") {
		facts := make([]generationJSON, 0, len(generations))
		for _, g := range generations {
			facts = append(facts, factsOf(g))
		}
		err = p.printJSON(facts)
	} else {
		err = p.printList(generations)
	}
	if err != nil {
		return err
	}
	p.remindOfRecovery(c)
	for _, err := range list.Damaged {
		p.report(err)
	}
	if len(list.Damaged) > 0 {
		return &statusError{status: exitDamage}
	}
	return nil
}

func (p *program) printList(generations []*repo.Generation) error {
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	heading := "VM\tGENERATION\tCONSISTENCY\tSIZE\tSTORED\tDOWNTIME\tDURATION"
	teams := slices.ContainsFunc(generations, func(g *repo.Generation) bool { return capture.TeamOf(g) != "" })
	if teams {
		heading += "\tTEAM"
	}
	fmt.Fprintln(table, heading)
	for _, g := range generations {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s", g.VM, g.Name, g.Consistency, size(repo.LogicalBytes(g.Manifest)), size(g.StoredBytes),
			downtimeText(time.Duration(g.Downtime), g.Downtime >= 0), time.Duration(g.Finished-g.Started).Round(100*time.Millisecond))
		if teams {
			fmt.Fprintf(table, "\t%s", capture.TeamOf(g))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// ofVMOrTeam are the generations of a VM, else those of a team, of that name.
func ofVMOrTeam(list *repo.Listing, name string) []*repo.Generation {
	if generations := list.Of(name); len(generations) > 0 {
		return generations
	}
	return slices.DeleteFunc(slices.Clone(list.Generations), func(g *repo.Generation) bool { return capture.TeamOf(g) != name || name == "" })
}

// remindOfRecovery names VMs that an interrupted capture left.
func (p *program) remindOfRecovery(c *cli.Context) {
	waiting, err := capture.Pending(stateDir(c))
	if err != nil {
		p.log(c).Debug("journals cannot be read", "err", err)
	}
	for _, vmx := range waiting {
		fmt.Fprintf(p.stderr, "granary: warning: a capture of %s was interrupted\nhint: run granary recover\n", oneLine(vmx))
	}
}
