package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"granary/capture"
)

func (p *program) recoverCommand() *cli.Command {
	return &cli.Command{
		Name:  "recover",
		Usage: "bring VMs back that an interrupted capture left stopped, suspended or snapshotted",
		Description: "The next capture does the same. VMs that a running capture works on are left alone.\n\n" +
			"   granary recover",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0, "no argument"); err != nil {
				return err
			}
			recovered, err := p.recover(c)
			if err != nil {
				return err
			}
			var errs []error
			for _, r := range recovered {
				if r.Err != nil {
					errs = append(errs, fmt.Errorf("recover %s: %w", r.VMX, r.Err))
				}
				if err := p.printRecovered(c, r); err != nil {
					return err
				}
			}
			if len(recovered) == 0 && !c.Bool("json") && !c.Bool("quiet") {
				fmt.Fprintln(p.stdout, "nothing to recover")
			}
			if len(errs) == 0 {
				return nil
			}
			if len(errs) < len(recovered) {
				return &statusError{exitPartly, errors.Join(errs...)}
			}
			return errors.Join(errs...)
		},
	}
}

func (p *program) recover(c *cli.Context) ([]capture.Recovered, error) {
	return capture.Recover(c.Context, capture.RecoverOptions{
		StateDir: stateDir(c),
		Connect:  func(facts map[string]string) (capture.Hypervisor, error) { return p.connect(c, facts) },
		Log:      p.log(c),
		Step: func(vmx, what string) {
			if !c.Bool("quiet") {
				fmt.Fprintf(p.stderr, "%s: %s\n", vmLabel(vmx), what)
			}
		},
	})
}

func (p *program) printRecovered(c *cli.Context, r capture.Recovered) error {
	if c.Bool("json") {
		event := map[string]any{"event": "recovered", "vmx": r.VMX, "state": r.Found, "began": r.Began.UTC().Format(time.RFC3339)}
		if r.Err != nil {
			event["event"], event["error"] = "failed", r.Err.Error()
		}
		return p.printJSON(event)
	}
	if r.Err == nil && !c.Bool("quiet") {
		_, err := fmt.Fprintf(p.stdout, "%s: brought back, %s as it was found; its capture began %s\n", r.VMX, r.Found, r.Began.Local().Format(time.DateTime))
		return err
	}
	return nil
}
