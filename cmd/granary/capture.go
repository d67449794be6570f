package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/capture/vmrun"
	"granary/repo"
	"granary/repo/format"
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
			req, err := p.captureRequest(c)
			if err != nil {
				return err
			}
			return p.withRepo(c, func(r *repo.Repo) error { return p.capture(c, r, req) })
		},
	}
}

// capture takes the VMs one after the other. One that fails does not keep the
// others from being captured. What went wrong is said when it does: the others
// may take hours.
func (p *program) capture(c *cli.Context, r *repo.Repo, req capture.Request) error {
	outliveReaders()
	if err := p.recoverFirst(c); err != nil {
		return err
	}
	var captured []os.FileInfo // their configurations
	failed := exitDone
	for _, arg := range c.Args().Slice() {
		vmx, err := capture.FindVMX(arg)
		if err != nil {
			failed = p.report(fmt.Errorf("capture: %w", err))
			continue
		}
		info, err := os.Stat(vmx)
		if err == nil && slices.ContainsFunc(captured, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
			continue // named twice
		}
		req.VMX = vmx
		result, err := p.captureOne(c, r, req)
		if result != nil {
			captured = append(captured, info)
		}
		if err != nil {
			failed = p.report(err)
		}
		if err != nil && c.Context.Err() != nil {
			break
		}
	}
	if failed != exitDone && len(captured) > 0 {
		failed = exitPartly
	}
	if failed != exitDone {
		return &statusError{status: failed}
	}
	return nil
}

// captureRequest checks the flags, before any VM is touched.
func (p *program) captureRequest(c *cli.Context) (capture.Request, error) {
	req := capture.Request{Quiesce: capture.Method(c.String("quiesce")), Name: c.String("name"), Driver: c.String("driver"),
		HardStop: c.Bool("hard-stop"), Settle: c.Duration("settle"), FullScan: c.Bool("full-scan"), StateDir: stateDir(c),
		Program: programName(), Log: p.log(c)}
	if err := arguments(c, 1, -1, "one or more VMs"); err != nil {
		return req, err
	}
	if err := positive(c, "stop-timeout", "settle"); err != nil {
		return req, err
	}
	if c.IsSet("name") {
		if err := format.CheckVMName(req.Name); err != nil {
			return req, usage("--name: %w", err)
		}
		if c.NArg() > 1 {
			return req, usage("--name is for one VM")
		}
	}
	for _, arg := range c.Args().Slice() {
		if strings.HasSuffix(arg, ".vmtm") || strings.HasSuffix(arg, ".vmtn") {
			return req, usage("%s is a team: name its VMs one by one", arg)
		}
	}
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

// captureOne returns a result where there is a generation, also with an error.
func (p *program) captureOne(c *cli.Context, r *repo.Repo, req capture.Request) (*capture.Result, error) {
	bar := p.progress(c, vmLabel(req.VMX))
	defer bar.end()
	req.Step, req.Total, req.Progress = bar.say, bar.expect, bar.add
	result, err := capture.Capture(c.Context, r, req)
	if err != nil {
		return nil, fmt.Errorf("capture %s: %w", req.VMX, err)
	}
	bar.end()
	if result.Unfinished != nil {
		advice := "run granary recover"
		if h := hint(result.Unfinished); h != "" {
			advice = h + "; then " + advice
		}
		err = &hintedError{fmt.Sprintf("capture %s: the generation %s is safe, but the VM is not as it was found: %v",
			req.VMX, result.Generation, result.Unfinished), advice}
	}
	return result, errors.Join(err, p.printCaptured(c, result))
}

func (p *program) printCaptured(c *cli.Context, result *capture.Result) error {
	g := result.Generation
	if c.Bool("json") {
		facts := factsOf(g)
		facts.Event = "captured"
		// What the manifest could not know: the guest may have come up
		// after the commit.
		seconds := result.Downtime.Seconds()
		facts.Downtime, facts.Duration = &seconds, result.Duration.Seconds()
		return p.printJSON(facts)
	}
	if c.Bool("quiet") {
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s, %d files, %s; %s read, %s new, %s stored; guest down %s, took %s\n", g, g.Consistency, len(g.Files),
		size(repo.LogicalBytes(g.Manifest)), size(g.ReadBytes), size(g.NewBytes), size(g.StoredBytes),
		result.Downtime.Round(100*time.Millisecond), result.Duration.Round(100*time.Millisecond))
	return err
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
			fmt.Fprintf(p.stderr, "granary: %s: brought back to %s after an interrupted capture\n", oneLine(r.VMX), r.Found)
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
