package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/job"
	"granary/repo"
)

func (p *program) statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "how well each VM is backed up, and what needs a person",
		Description: "Exit status 3 if something needs a person: an interrupted or failed capture, a snapshot that is left, a generation that is too old.\n\n" +
			"   granary status\n" +
			"   granary status --max-age 26h --json\n" +
			"   granary status --forget web            the VM is gone: drop what became of its last attempts",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "max-age", Usage: "how old the newest generation of a VM may be"},
			&cli.StringFlag{Name: "forget", Usage: "only drop what is kept of the attempts to capture a `VM`, by name or path; its generations stay"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			if c.IsSet("max-age") {
				if err := positive(c, "max-age"); err != nil {
					return err
				}
			}
			if vm := c.String("forget"); vm != "" {
				return job.ForgetOutcomes(stateDir(c), vm)
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.status(c, r) })
		},
	}
}

func (p *program) status(c *cli.Context, r *repo.Repo) error {
	list, err := r.Generations(c.Context)
	if err != nil {
		return err
	}
	survey := job.Survey{Listing: list, StateDir: stateDir(c), MaxAge: c.Duration("max-age"), Now: time.Now()}
	var broken []error
	survey.Records, broken = job.ReadOutcomes(stateDir(c))
	for _, err := range broken {
		p.report(err)
	}
	if survey.Waiting, err = capture.Pending(stateDir(c)); err != nil {
		p.report(err)
		broken = append(broken, err)
	}
	if survey.Host, err = os.Hostname(); err != nil {
		return err
	}
	all := survey.Status()
	if c.Bool("json") {
		err = p.printStatusJSON(all, survey.Now)
	} else {
		err = p.printStatus(all, survey.Now)
	}
	if err != nil {
		return err
	}
	for _, err := range list.Damaged {
		p.report(err)
	}
	needs := len(list.Damaged)+len(broken) > 0
	for _, v := range all {
		for _, need := range v.Needs {
			needs = true
			fmt.Fprintf(p.stderr, "granary: %s: %s\n", oneLine(v.VM), oneLine(need))
		}
	}
	if needs {
		return &statusError{status: exitPartly}
	}
	return nil
}

func (p *program) printStatus(all []job.VMStatus, now time.Time) error {
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VM\tNEWEST\tAGE\tCONSISTENCY\tGENERATIONS\tSNAPSHOTS\tLAST ATTEMPT\tSTATE")
	for _, v := range all {
		newest, age, consistency, last := "none", "", "", ""
		if v.Newest != nil {
			frozen := time.Unix(0, v.Newest.Frozen)
			newest, age, consistency = v.Newest.Name, humanize.RelTime(frozen, now, "old", "ahead"), v.Newest.Consistency.String()
		}
		if v.Last != nil {
			last = string(v.Last.Status)
		}
		state := "well"
		switch {
		case len(v.Needs) > 0:
			state = "needs a person"
		case v.Working:
			state = "being captured"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", oneLine(v.VM), newest, age, consistency, v.Count, len(v.Snapshots), last, state)
	}
	return table.Flush()
}

// statusJSON is a VM as `status --json` prints it; null where there is none.
type statusJSON struct {
	VM          string       `json:"vm"`
	Newest      *string      `json:"newest_generation"`
	Age         *float64     `json:"age_seconds"`
	Consistency *string      `json:"consistency"`
	Generations int          `json:"generations"`
	Last        *job.Attempt `json:"last_attempt"`
	Working     bool         `json:"being_captured"`
	Snapshots   []string     `json:"snapshots"`
	Needs       []string     `json:"needs"`
}

func (p *program) printStatusJSON(all []job.VMStatus, now time.Time) error {
	out := []statusJSON{}
	for _, v := range all {
		j := statusJSON{VM: v.VM, Generations: v.Count, Last: v.Last, Working: v.Working,
			Snapshots: append([]string{}, v.Snapshots...), Needs: append([]string{}, v.Needs...)}
		if v.Newest != nil {
			age, consistency := now.Sub(time.Unix(0, v.Newest.Frozen)).Seconds(), v.Newest.Consistency.String()
			j.Newest, j.Age, j.Consistency = &v.Newest.Name, &age, &consistency
		}
		out = append(out, j)
	}
	return p.printJSON(out)
}
