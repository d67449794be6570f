package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/capture/vmrun"
	"granary/repo"
)

func (p *program) captureCommand() *cli.Command {
	return &cli.Command{
		Name:      "capture",
		Usage:     "take one generation of each VM",
		ArgsUsage: "VM…",
		Description: "A VM is its .vmx file, or a folder that holds one.\n\n" +
			"   granary capture /vms/web/web.vmx                    stop, snapshot, start at once, back up\n" +
			"   granary capture --quiesce snapshot /vms/web         no downtime, crash-consistent\n" +
			"   granary capture --driver files --quiesce none /vms/old   a VM that is off, without VMware",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "driver", Value: "vmrun", Usage: "vmrun, or files for a VM that does not run"},
			&cli.StringFlag{Name: "quiesce", DefaultText: "stop-snapshot", Usage: "stop-snapshot, snapshot, stop, suspend or none"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the VM in the repository"},
			&cli.BoolFlag{Name: "full-scan", Usage: "read files that look unchanged, too"},
			&cli.BoolFlag{Name: "hard-stop", Usage: "stop a guest by force that does not stop softly in time"},
			&cli.DurationFlag{Name: "stop-timeout", Usage: "how long a guest may take to stop", Value: 3 * time.Minute},
			&cli.DurationFlag{Name: "settle", Usage: "how long a stop that failed may still take effect", Value: time.Minute},
			&cli.StringFlag{Name: "vmrun", EnvVars: []string{"GRANARY_VMRUN"}, Usage: "the program `FILE`", DefaultText: "vmrun on the PATH"},
			&cli.StringFlag{Name: "vmrun-type", EnvVars: []string{"GRANARY_VMRUN_TYPE"}, Usage: "vmrun's host `TYPE` (-T)", DefaultText: "ws"},
		},
		Action: func(c *cli.Context) error {
			return p.withRepo(c, func(r *repo.Repo) error { return p.capture(c, r) })
		},
	}
}

func (p *program) capture(c *cli.Context, r *repo.Repo) error {
	req, err := p.captureRequest(c)
	if err != nil {
		return err
	}
	vms, err := findVMs(c)
	if err != nil {
		return err
	}
	if err := p.recoverFirst(c); err != nil {
		return err
	}
	var errs []error
	done, unfinished := 0, false
	for _, vmx := range vms {
		req.VMX = vmx
		result, err := p.captureOne(c, r, req)
		if err != nil {
			errs = append(errs, fmt.Errorf("capture %s: %w", vmx, err))
			if c.Context.Err() != nil {
				break
			}
			continue
		}
		done++
		if result.Unfinished != nil {
			unfinished = true
			errs = append(errs, fmt.Errorf("capture %s: the generation %s is safe, but the VM is not as it was found: %w", vmx, result.Generation, result.Unfinished))
		}
	}
	if len(errs) == 0 {
		return nil
	}
	if done > 0 && (len(errs) > 0 || unfinished) {
		return p.several(errs, exitPartly)
	}
	return p.several(errs, 0)
}

// several reports all errors but the last, which it returns; a status of 0
// leaves it to that error.
func (p *program) several(errs []error, exit int) error {
	last := errs[len(errs)-1]
	for _, err := range errs[:len(errs)-1] {
		p.report(err)
	}
	if exit == 0 {
		return last
	}
	return &statusError{exit, last}
}

func (p *program) captureRequest(c *cli.Context) (capture.Request, error) {
	req := capture.Request{Quiesce: capture.Method(c.String("quiesce")), Name: c.String("name"), Driver: c.String("driver"),
		HardStop: c.Bool("hard-stop"), Settle: c.Duration("settle"), FullScan: c.Bool("full-scan"), StateDir: stateDir(c),
		Program: programName(), Log: p.log(c)}
	if req.Quiesce == "" {
		req.Quiesce = capture.StopSnapshot
		if req.Driver == "files" {
			req.Quiesce = capture.None
		}
	}
	if !slices.Contains(capture.Methods, req.Quiesce) {
		return req, usage("--quiesce %s: want stop-snapshot, snapshot, stop, suspend or none", req.Quiesce)
	}
	switch req.Driver {
	case "files":
		if req.Quiesce != capture.None {
			return req, usage("--driver files cannot %s a VM: use --quiesce none for one that is off, or --driver vmrun", req.Quiesce)
		}
	case "vmrun":
		req.DriverFacts = map[string]string{"vmrun": c.String("vmrun"), "type": c.String("vmrun-type"), "stop-timeout": c.Duration("stop-timeout").String()}
		hv, err := p.connect(c, req.DriverFacts)
		if err != nil {
			return req, err
		}
		req.Hypervisor = hv
	default:
		return req, usage("--driver %s: want vmrun or files", req.Driver)
	}
	return req, nil
}

// connect gives the vmrun that a capture uses, or used before it was
// interrupted.
func (p *program) connect(c *cli.Context, facts map[string]string) (capture.Hypervisor, error) {
	timeout, err := time.ParseDuration(facts["stop-timeout"])
	if err != nil {
		return nil, fmt.Errorf("stop timeout: %w", err)
	}
	return &vmrun.Client{Program: facts["vmrun"], HostType: facts["type"], Timeouts: vmrun.Timeouts{StopSoft: timeout}, Log: p.log(c)}, nil
}

// findVMs resolves the arguments, before any VM is touched.
func findVMs(c *cli.Context) ([]string, error) {
	if c.NArg() == 0 {
		return nil, usage("capture takes one or more VMs; see granary capture --help")
	}
	if c.NArg() > 1 && c.String("name") != "" {
		return nil, usage("--name is for one VM")
	}
	var vms []string
	names := map[string]string{}
	for _, arg := range c.Args().Slice() {
		if strings.HasSuffix(arg, ".vmtm") || strings.HasSuffix(arg, ".vmtn") {
			return nil, usage("%s is a team: name its VMs one by one", arg)
		}
		vmx, err := capture.FindVMX(arg)
		if err != nil {
			return nil, err
		}
		// A plan that fails is reported when its turn comes.
		if plan, err := capture.NewPlan(vmx); err == nil && c.String("name") == "" {
			if other := names[plan.Name]; other != "" {
				return nil, fmt.Errorf("%s and %s: %w, %q", other, vmx, capture.ErrName, plan.Name)
			}
			names[plan.Name] = vmx
		}
		vms = append(vms, vmx)
	}
	return vms, nil
}

func (p *program) captureOne(c *cli.Context, r *repo.Repo, req capture.Request) (*capture.Result, error) {
	bar := p.progress(c, vmLabel(req.VMX))
	defer bar.end()
	req.Step, req.Total, req.Progress = bar.say, bar.expect, bar.add
	result, err := capture.Capture(c.Context, r, req)
	if err != nil {
		return nil, err
	}
	bar.end()
	if c.Bool("json") {
		facts := factsOf(result.Generation)
		facts.Event = "captured"
		// What the manifest could not know: the guest may have come up
		// after the commit.
		seconds := result.Downtime.Seconds()
		facts.Downtime, facts.Duration = &seconds, result.Duration.Seconds()
		return result, p.printJSON(facts)
	}
	if !c.Bool("quiet") {
		g := result.Generation
		fmt.Fprintf(p.stdout, "%s: %s, %d files, %s; %s read, %s new, %s stored; guest down %s, took %s\n", g, g.Consistency, len(g.Files),
			size(repo.LogicalBytes(g.Manifest)), size(g.ReadBytes), size(g.NewBytes), size(g.StoredBytes),
			result.Downtime.Round(100*time.Millisecond), result.Duration.Round(100*time.Millisecond))
	}
	return result, nil
}

// recoverFirst puts right what interrupted captures left, before new ones.
func (p *program) recoverFirst(c *cli.Context) error {
	recovered, err := p.recover(c)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range recovered {
		if r.Err != nil {
			// Other VMs can be captured all the same.
			errs = append(errs, r.Err)
			p.report(fmt.Errorf("recover %s: %w", r.VMX, r.Err))
		} else if !c.Bool("quiet") {
			fmt.Fprintf(p.stderr, "granary: %s: brought back to %s after an interrupted capture\n", r.VMX, r.Found)
		}
	}
	if c.Context.Err() != nil {
		return errors.Join(append(errs, context.Cause(c.Context))...)
	}
	return nil
}

func vmLabel(vmx string) string {
	base := vmx[strings.LastIndexAny(vmx, `/\`)+1:]
	return strings.TrimSuffix(base, ".vmx")
}

func size(bytes int64) string { return humanize.IBytes(uint64(max(0, bytes))) }
