package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"

	"granary/capture"
	"granary/job"
	"granary/repo"
	"granary/repo/retention"
)

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "capture what a job file names, with its limits, scripts and retention",
		ArgsUsage: "[JOB…]",
		Description: "Without JOB, all jobs of the file, one after the other. docs/jobs.yaml is an example with every key.\n\n" +
			"   granary run --check                    is the file right, and what does it name?\n" +
			"   granary run nightly\n" +
			"   granary run --json --metrics /var/lib/node_exporter/granary.prom",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Aliases: []string{"c"}, EnvVars: []string{"GRANARY_CONFIG"}, Value: "/etc/granary/jobs.yaml", Usage: "the job `FILE`"},
			&cli.BoolFlag{Name: "check", Usage: "only look whether the file is right, and which VMs it names"},
			&cli.StringFlag{Name: "metrics", Usage: "write `FILE` for Prometheus's textfile collector"},
		},
		Action: func(c *cli.Context) error {
			file, jobs, err := loadJobs(c)
			if err != nil {
				return err
			}
			if c.Bool("check") {
				return p.checkJobs(c, jobs)
			}
			if c.String("repo") == "" && file.Repo != "" {
				if err := c.Set("repo", file.Repo); err != nil {
					return err
				}
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.runJobs(c, r, jobs) })
		},
	}
}

// loadJobs reads the job file and finds the jobs that the arguments name.
func loadJobs(c *cli.Context) (*job.File, []*job.Job, error) {
	file, err := job.Load(c.String("config"))
	if err != nil {
		return nil, nil, usage("%w", err)
	}
	if c.NArg() == 0 {
		return file, file.Jobs, nil
	}
	var jobs []*job.Job
	for _, name := range c.Args().Slice() {
		j, err := file.Job(name)
		if err != nil {
			return nil, nil, usage("%w", err)
		}
		jobs = append(jobs, j)
	}
	return file, jobs, nil
}

// checkJobs prints what the jobs name.
func (p *program) checkJobs(c *cli.Context, jobs []*job.Job) error {
	var statuses []int
	for _, j := range jobs {
		tasks, warnings, err := j.Tasks(c.Context)
		for _, w := range warnings {
			p.log(c).Warn("job " + j.Name + ": " + w)
		}
		status := exitDone
		if err != nil {
			status = p.report(fmt.Errorf("job %s: %w", j.Name, err))
		}
		statuses = append(statuses, status)
		if c.Bool("json") {
			vms := []string{}
			for _, t := range tasks {
				vms = append(vms, t.VM)
			}
			if err := p.printJSON(map[string]any{"event": "checked", "job": j.Name, "vms": vms}); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(p.stdout, "%s: %d VMs\n", oneLine(j.Name), len(tasks))
		for _, t := range tasks {
			fmt.Fprintf(p.stdout, "  %s  %s %s\n", oneLine(t.VM), t.Host.DriverName(), t.Quiesce)
		}
	}
	return together(statuses)
}

// runJobs runs the jobs one after the other.
func (p *program) runJobs(c *cli.Context, r *repo.Repo, jobs []*job.Job) error {
	outliveReaders()
	if err := p.recoverFirst(c); err != nil {
		return err
	}
	var statuses []int
	for _, j := range jobs {
		if cause := context.Cause(c.Context); cause != nil {
			statuses = append(statuses, p.report(fmt.Errorf("job %s: it was not begun: %w", j.Name, cause)))
			continue
		}
		statuses = append(statuses, p.runJob(c, r, j))
	}
	err := together(statuses)
	if file := c.String("metrics"); file != "" {
		if metrics := p.writeMetrics(c, file); metrics != nil {
			p.report(metrics)
			return cmp.Or(err, error(&statusError{status: exitPartly}))
		}
	}
	return err
}

// runJob runs a job and returns its exit status.
func (p *program) runJob(c *cli.Context, r *repo.Repo, j *job.Job) int {
	if onTerminal(p.stderr) && !c.Bool("quiet") {
		p.bars = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithAutoRefresh())
		defer func() {
			p.bars.Wait()
			p.bars = nil
		}()
	}
	taker := p.taker(c, r)
	taker.Facts = map[string]string{"job": j.Name}
	taker.ReadLimit = job.NewLimiter(int64(j.Limits.ReadBytes))
	runner := job.Runner{Job: j, Repository: r.Location(), StateDir: stateDir(c), Capture: taker.Take, Log: p.log(c),
		Forget: func(ctx context.Context, vm string, keep job.Retention) ([]string, error) {
			return forgetOld(ctx, r, vm, retention.Policy(keep))
		},
		Told: func(o job.Outcome) { p.printJobOutcome(c, j, o) }}
	summary, err := runner.Run(c.Context)
	if err != nil {
		if errors.Is(err, job.ErrBusy) {
			err = &hintedError{err.Error(), "wait for it to end; a job runs once at a time"}
		}
		return p.report(err)
	}
	for _, w := range summary.Warnings {
		p.log(c).Warn("job " + j.Name + ": " + w)
	}
	if summary.Err != nil {
		p.report(fmt.Errorf("job %s: %w", j.Name, summary.Err))
	}
	p.printSummary(c, summary)
	return summary.ExitStatus()
}

// forgetOld forgets the generations of a VM that a policy does not keep.
func forgetOld(ctx context.Context, r *repo.Repo, vm string, policy retention.Policy) ([]string, error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	generations := list.Of(vm)
	var candidates []retention.Candidate
	for _, g := range generations {
		candidates = append(candidates, retention.Candidate{Name: g.Name, Time: time.Unix(0, g.Frozen), Good: true})
	}
	var forgotten []string
	for _, d := range retention.Apply(policy, candidates, time.Now(), time.Local) {
		if d.Keep {
			continue
		}
		g, err := list.Find(vm + "@" + d.Name)
		if err == nil {
			err = r.Forget(ctx, g, "the job's retention")
		}
		if err != nil {
			return forgotten, err
		}
		forgotten = append(forgotten, g.String())
	}
	return forgotten, nil
}

// printJobOutcome prints what became of a task of a job, when it ends.
func (p *program) printJobOutcome(c *cli.Context, j *job.Job, o job.Outcome) {
	p.printOutcome(c, o)
	if c.Bool("json") {
		if o.Err != nil {
			event := map[string]any{"event": string(o.Status), "job": j.Name, "vm": o.VM, "path": o.Task.VM, "error": oneLine(o.Err.Error())}
			if h := hint(o.Err); h != "" {
				event["hint"] = h
			}
			_ = p.printJSON(event)
		}
		for _, g := range o.Forgotten {
			_ = p.printJSON(map[string]any{"event": "forgotten", "job": j.Name, "generation": g})
		}
	} else if !c.Bool("quiet") {
		for _, g := range o.Forgotten {
			fmt.Fprintf(p.stdout, "%s: forgotten, as the job's retention says\n", g)
		}
	}
}

func (p *program) printSummary(c *cli.Context, s job.Summary) {
	if c.Bool("json") {
		summary := map[string]any{"event": "summary", "job": s.Job, "began": rfc3339(s.Began.UnixNano()), "duration_seconds": s.Ended.Sub(s.Began).Seconds(),
			"status": s.ExitStatus(), "warnings": append([]string{}, s.Warnings...)}
		for _, status := range job.Statuses {
			summary[string(status)] = s.Count(status)
		}
		if s.Err != nil {
			summary["error"] = oneLine(s.Err.Error())
		}
		_ = p.printJSON(summary)
		return
	}
	if c.Bool("quiet") {
		return
	}
	fmt.Fprintf(p.stdout, "job %s: %d captured", oneLine(s.Job), s.Count(job.Captured))
	for _, status := range job.Statuses[1:] {
		if n := s.Count(status); n > 0 {
			fmt.Fprintf(p.stdout, ", %d %s", n, status)
		}
	}
	fmt.Fprintf(p.stdout, "; took %s\n", s.Ended.Sub(s.Began).Round(100*time.Millisecond))
}

func (p *program) writeMetrics(c *cli.Context, file string) error {
	records, broken := job.ReadOutcomes(stateDir(c))
	for _, err := range broken {
		p.log(c).Warn(err.Error())
	}
	waiting, err := capture.Pending(stateDir(c))
	if err != nil {
		return err
	}
	return job.WriteMetrics(file, records, len(waiting), time.Now())
}
