package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/capture/host"
	"granary/capture/vcb"
	"granary/job"
	"granary/repo"
	"granary/repo/format"
)

func (p *program) captureCommand() *cli.Command {
	return &cli.Command{
		Name:      "capture",
		Usage:     "take one generation of each VM",
		ArgsUsage: "VM…",
		Description: "A VM is its .vmx file, a folder that holds one, a team (.vmtm, .vmtn), or \"[datastore] dir/vm.vmx\";\n" +
			"with --driver vcb name:N, ipaddr:A, uuid:U or moref:M.\n\n" +
			"   granary capture /vms/web/web.vmx                    stop, snapshot, start at once, back up\n" +
			"   granary capture --quiesce snapshot /vms/web         no downtime, crash-consistent\n" +
			"   granary capture --driver files --quiesce none /vms/old   a VM that is off, without VMware\n" +
			"   granary capture --vmrun-type esx --host esx1 --user backup --host-password-file /etc/granary/esx1 \\\n" +
			"      --datastore ds1=/mnt/ds1 \"[ds1] web/web.vmx\"\n" +
			"   granary capture --driver vcb --host vc1 --user backup --mode san --export-dir /var/tmp --quiesce snapshot name:web\n" +
			"   granary capture --dry-run /vms/*                    what would be captured, and what stands against it",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "driver", Value: "vmrun", Usage: "vmrun, vcb, or files for a VM that does not run"},
			&cli.StringFlag{Name: "quiesce", DefaultText: "stop-snapshot", Usage: "stop-snapshot, snapshot, stop, suspend or none"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the VM in the repository"},
			&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "look at the VMs and tell, but touch nothing"},
			&cli.BoolFlag{Name: "full-scan", Usage: "read files that look unchanged, too"},
			&cli.BoolFlag{Name: "hard-stop", Usage: "stop a guest by force that does not stop softly in time"},
			&cli.DurationFlag{Name: "settle", Usage: "how long a stop that failed may still take effect", Value: time.Minute},
			&cli.StringFlag{Name: "freeze", Usage: "`PROGRAM` in the guest that makes its programs keep still, before a hot snapshot"},
			&cli.StringFlag{Name: "thaw", Usage: "`PROGRAM` in the guest that lets them go on"},
			&cli.StringFlag{Name: "read-limit", Usage: "read at most `SIZE` a second, as 100MiB"},
			&cli.StringFlag{Name: "vmx", Usage: "with --driver vcb: the VM's `FILE` as vmrun knows it, to stop and start it"},
			&cli.BoolFlag{Name: "delete-vcb-snapshot", Usage: "delete a snapshot " + vcb.LeftoverSnapshot + " that is in the way"},
		}, hostFlags()...),
		Action: func(c *cli.Context) error {
			tasks, limit, err := captureTasks(c)
			if err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error {
				taker := p.taker(c, r)
				taker.ReadLimit = job.NewLimiter(limit)
				if c.Bool("dry-run") {
					return p.dryRun(c, taker, tasks)
				}
				return p.capture(c, taker, tasks)
			})
		},
	}
}

// capture takes the tasks one after the other. One that fails does not keep the
// others from being captured. What went wrong is said when it does: the others
// may take hours.
func (p *program) capture(c *cli.Context, taker *job.Taker, tasks []job.Task) error {
	outliveReaders()
	if err := p.recoverFirst(c); err != nil {
		return err
	}
	var statuses []int
	for _, task := range job.Distinct(tasks) {
		if cause := context.Cause(c.Context); cause != nil {
			statuses = append(statuses, p.report(fmt.Errorf("capture %s: it was not begun: %w", task.VM, cause)))
			continue
		}
		o := taker.Take(c.Context, task)
		statuses = append(statuses, p.printOutcome(c, o))
		if err := job.RecordOutcome(taker.StateDir, "", taker.Repo.Location(), o); err != nil {
			p.log(c).Warn("what became of the VM could not be kept for granary status", "err", err)
		}
	}
	return together(statuses)
}

// together is the status of several that ended with these: done in part, unless
// all were done or all failed.
func together(statuses []int) error {
	worst, done := exitDone, false
	for _, s := range statuses {
		if s != exitDone {
			worst = s
		}
		done = done || s == exitDone || s == exitPartly
	}
	switch {
	case worst == exitDone:
		return nil
	case done:
		return &statusError{status: exitPartly}
	}
	return &statusError{status: worst}
}

// captureTasks checks the flags, before any VM is touched. limit is that of
// reading, in bytes a second, 0 for none.
func captureTasks(c *cli.Context) (tasks []job.Task, limit int64, err error) {
	if err := arguments(c, 1, -1, "one or more VMs"); err != nil {
		return nil, 0, err
	}
	if err := positive(c, "stop-timeout", "settle"); err != nil {
		return nil, 0, err
	}
	h, err := hostOf(c)
	if err != nil {
		return nil, 0, err
	}
	vmx := c.String("vmx")
	if _, _, named := host.SplitDatastore(vmx); !named {
		if err := absolute(&vmx); err != nil {
			return nil, 0, err
		}
	}
	task := job.Task{Host: h, Name: c.String("name"), Quiesce: capture.Method(c.String("quiesce")), HardStop: c.Bool("hard-stop"),
		Settle: c.Duration("settle"), FullScan: c.Bool("full-scan"), VMX: vmx, DeleteVCBSnapshot: c.Bool("delete-vcb-snapshot")}
	if task.Quiesce == "" {
		task.Quiesce = capture.StopSnapshot
		if h.Driver == host.Files {
			task.Quiesce = capture.None
		}
	}
	for flag, to := range map[string]*[]string{"freeze": &task.Freeze, "thaw": &task.Thaw} {
		if program := c.String(flag); program != "" {
			*to = []string{program}
		}
	}
	if text := c.String("read-limit"); text != "" {
		bytes, err := humanize.ParseBytes(binaryUnits(text))
		if err != nil || bytes == 0 || bytes > 1<<50 {
			return nil, 0, usage("--read-limit %s: want a size like 100MiB", text)
		}
		limit = int64(bytes)
	}
	for _, arg := range c.Args().Slice() {
		task.VM = arg
		if err := checkTask(c, task); err != nil {
			return nil, 0, err
		}
		tasks = append(tasks, task)
	}
	return tasks, limit, nil
}

// checkTask refuses what cannot be meant.
func checkTask(c *cli.Context, t job.Task) error {
	if !slices.Contains(capture.Methods, t.Quiesce) {
		return usage("--quiesce %s: want stop-snapshot, snapshot, stop, suspend or none", t.Quiesce)
	}
	if c.IsSet("name") {
		if err := format.CheckVMName(t.Name); err != nil {
			return usage("--name: %w", err)
		}
		if c.NArg() > 1 || capture.IsTeam(t.VM) {
			return usage("--name is for one VM")
		}
	}
	if (len(t.Freeze) > 0 || len(t.Thaw) > 0) && (t.Quiesce != capture.Snapshot || len(t.Freeze) != len(t.Thaw) || t.Host.Driver == host.VCB) {
		return usage("--freeze and --thaw go together, with --driver vmrun --quiesce snapshot")
	}
	switch {
	case t.Host.Driver == host.Files && t.Quiesce != capture.None:
		return usage("--driver files cannot %s a VM: use --quiesce none for one that is off, or --driver vmrun", t.Quiesce)
	case t.Host.Driver == host.VCB:
		if _, err := vcb.ParseTarget(t.VM); err != nil {
			return usage("%w", err)
		}
		if t.VMX == "" && t.Quiesce != capture.Snapshot {
			return usage("--driver vcb --quiesce %s has to stop the VM: name it for vmrun with --vmx \"[datastore] dir/vm.vmx\", or use --quiesce snapshot", t.Quiesce)
		}
	case t.VMX != "":
		return usage("--vmx is for --driver vcb")
	}
	return nil
}

// taker captures tasks with the flags' state and progress.
func (p *program) taker(c *cli.Context, r *repo.Repo) *job.Taker {
	return &job.Taker{Repo: r, StateDir: stateDir(c), Program: programName(), Log: p.log(c),
		Watch: func(t job.Task) job.Watcher { return p.progress(c, vmLabel(t.VM)) }}
}

// printOutcome prints what became of a task, and returns its exit status.
func (p *program) printOutcome(c *cli.Context, o job.Outcome) int {
	status := exitDone
	if o.Err != nil {
		status = p.report(o.Err)
	}
	for _, result := range o.Results {
		if err := p.printCaptured(c, result); err != nil {
			p.report(err)
			status = exitPartly
		}
	}
	if o.Status == job.Partly {
		status = exitPartly
	}
	return status
}

func (p *program) printCaptured(c *cli.Context, result *capture.Result) error {
	g := result.Generation
	downtime, known := job.Downtime(result)
	if c.Bool("json") {
		facts := factsOf(g)
		facts.Event = "captured"
		facts.Duration = result.Duration.Seconds()
		// What the manifest could not know: the guest may have come up
		// after the commit.
		if known {
			seconds := downtime.Seconds()
			facts.Downtime = &seconds
		}
		return p.printJSON(facts)
	}
	if c.Bool("quiet") {
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s, %d files, %s; %s read, %s new, %s stored; guest down %s, took %s\n", g, g.Consistency, len(g.Files),
		size(repo.LogicalBytes(g.Manifest)), size(g.ReadBytes), size(g.NewBytes), size(g.StoredBytes),
		downtimeText(downtime, known), result.Duration.Round(100*time.Millisecond))
	return err
}

func vmLabel(vmx string) string {
	base := vmx[strings.LastIndexAny(vmx, `/\`)+1:]
	return strings.TrimSuffix(base, ".vmx")
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(0, bytes))) }
