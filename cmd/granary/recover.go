package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"granary/capture"
	"granary/job"
)

func (p *program) recoverCommand() *cli.Command {
	return &cli.Command{
		Name:  "recover",
		Usage: "bring VMs back that an interrupted capture left stopped, suspended or snapshotted",
		Description: "The next capture does the same. VMs that a running capture works on are left alone.\n\n" +
			"   granary recover\n" +
			"   granary recover --done /vms/web/web.vmx    a person has brought it back: forget its journal\n" +
			"   granary recover --done JOURNAL             the same by the journal's path, also of one that cannot be read",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "done", Usage: "touch nothing, and forget the journal of a `VM`, or JOURNAL itself: the VM was brought back by hand"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			if vm := c.String("done"); vm != "" {
				return p.dismiss(c, vm)
			}
			outliveReaders()
			recovered, err := p.recover(c)
			if err != nil {
				return err
			}
			failed, failures := exitDone, 0
			for _, r := range recovered {
				if r.Err != nil {
					failed = p.report(fmt.Errorf("recover %s: %w", r.VMX, r.Err))
					failures++
				}
				p.printRecovered(c, r)
			}
			if len(recovered) == 0 && !c.Bool("json") && !c.Bool("quiet") {
				fmt.Fprintln(p.stdout, "nothing to recover")
			}
			if 0 < failures && failures < len(recovered) {
				failed = exitPartly
			}
			if failed != exitDone {
				return &statusError{status: failed}
			}
			return nil
		},
	}
}

// outliveReaders lets writes to a pipe that has closed fail, instead of ending
// granary: no VM stays down because nobody reads any more.
func outliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// recover brings VMs back, and keeps which ones for granary status.
func (p *program) recover(c *cli.Context) ([]capture.Recovered, error) {
	recovered, err := capture.Recover(c.Context, capture.RecoverOptions{
		StateDir: stateDir(c),
		Connect:  job.Connect(p.log(c)),
		Log:      p.log(c),
		Step: func(vmx, what string) {
			if !c.Bool("quiet") {
				fmt.Fprintf(p.stderr, "%s: %s\n", oneLine(vmLabel(vmx)), what)
			}
		},
	})
	p.recordRecovered(c, recovered)
	return recovered, err
}

// dismiss forgets the journal of a VM that a person has brought back.
func (p *program) dismiss(c *cli.Context, vm string) error {
	dismissed, err := capture.Dismiss(stateDir(c), vm)
	p.recordRecovered(c, dismissed)
	return err
}

func (p *program) recordRecovered(c *cli.Context, recovered []capture.Recovered) {
	if err := job.RecordRecovered(stateDir(c), recovered, time.Now()); err != nil {
		p.log(c).Warn("granary status does not learn of it", "err", err)
	}
}

// printRecovered leaves it to run to find out whether all could be printed.
func (p *program) printRecovered(c *cli.Context, r capture.Recovered) {
	if c.Bool("json") {
		event := map[string]any{"event": "recovered", "vmx": r.VMX}
		if !r.Began.IsZero() { // else the journal could not be read
			event["state"], event["began"] = r.Found, rfc3339(r.Began.UnixNano())
		}
		if r.Err != nil {
			event["event"], event["error"] = "failed", r.Err.Error()
		}
		_ = p.printJSON(event)
	} else if r.Err == nil && !c.Bool("quiet") {
		fmt.Fprintf(p.stdout, "%s: brought back, %sas it was found; its capture began %s\n", oneLine(r.VMX), stateWord(r), r.Began.Local().Format(time.DateTime))
	}
}

// stateWord is how a VM was found, with a blank, or empty where nobody could
// tell.
func stateWord(r capture.Recovered) string {
	if r.Found == "" {
		return ""
	}
	return string(r.Found) + " "
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
			fmt.Fprintf(p.stderr, "granary: %s: brought back, %sas it was before an interrupted capture\n", oneLine(r.VMX), stateWord(r))
		}
	}
	if c.Context.Err() != nil {
		return errors.Join(append(errs, context.Cause(c.Context))...)
	}
	return nil
}
