package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"granary/fusefs"
	"granary/repo"
)

func (p *program) mountCommand() *cli.Command {
	return &cli.Command{
		Name:      "mount",
		Usage:     "show every generation as a folder of vmdk and vmx files",
		ArgsUsage: "FOLDER",
		Description: "The folder must exist and be empty. New generations appear while it is mounted.\n\n" +
			"   granary mount /mnt/backups             until Ctrl-C or granary umount\n" +
			"   granary mount -d /mnt/backups          in the background\n" +
			"   cp --sparse=auto /mnt/backups/web/latest/web-flat.vmdk /vms/web/",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "daemon", Aliases: []string{"d"}, Usage: "return once the mount answers"},
			&cli.BoolFlag{Name: "allow-other", Usage: "let other users read it"},
			&cli.DurationFlag{Name: "refresh", Usage: "how late new generations may appear", Value: time.Second},
			&cli.StringFlag{Name: "log-file", Usage: "with --daemon, `FILE` for what goes wrong later"},
		},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1, "one folder"); err != nil {
				return err
			}
			if err := positive(c, "refresh"); err != nil {
				return err
			}
			if c.IsSet("log-file") && !c.Bool("daemon") {
				return usage("--log-file is for --daemon")
			}
			if ready := daemonPipe(); ready != nil {
				return p.serveAsDaemon(c, ready)
			}
			if c.Bool("daemon") {
				return p.startDaemon(c)
			}
			return p.withRepo(c, func(r *repo.Repo) error {
				server, err := p.mount(c, r)
				if err != nil {
					return err
				}
				if !c.Bool("quiet") {
					fmt.Fprintf(p.stderr, "%s is mounted on %s; Ctrl-C unmounts it\n", r.Location(), c.Args().First())
				}
				return p.serve(c, server)
			})
		},
	}
}

func (p *program) mount(c *cli.Context, r *repo.Repo) (*fusefs.Server, error) {
	return fusefs.Mount(c.Context, r, c.Args().First(), &fusefs.Options{AllowOther: c.Bool("allow-other"), Refresh: c.Duration("refresh"), Log: p.log(c)})
}

// serve returns when the mount has ended: by umount, or by a signal.
func (p *program) serve(c *cli.Context, server *fusefs.Server) error {
	ended := make(chan struct{})
	go func() {
		server.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-c.Context.Done():
	}
	err := server.Unmount()
	if errors.Is(err, fusefs.ErrDetached) {
		p.log(c).Warn(err.Error())
		err = nil
	}
	if err == nil {
		<-ended
	}
	return err
}

func (p *program) umountCommand() *cli.Command {
	return &cli.Command{
		Name:        "umount",
		Usage:       "unmount a folder",
		ArgsUsage:   "FOLDER",
		Description: "   granary umount /mnt/backups",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1, "one folder"); err != nil {
				return err
			}
			return fusefs.Unmount(c.Args().First())
		},
	}
}

// startDaemon runs this program again in the background, and returns when its
// mount answers or fails.
func (p *program) startDaemon(c *cli.Context) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	defer reader.Close()
	logTo, err := openLog(c.String("log-file"))
	if err == nil {
		err = spawnDaemon(writer, logTo)
		logTo.Close()
	}
	writer.Close()
	if err != nil {
		return fmt.Errorf("start daemon: %w", err)
	}
	return awaitDaemon(reader)
}

func openLog(file string) (*os.File, error) {
	if file == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	return os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// serveAsDaemon is what the background process does.
func (p *program) serveAsDaemon(c *cli.Context, ready *os.File) error {
	err := p.withRepo(c, func(r *repo.Repo) error {
		server, err := p.mount(c, r)
		if err != nil {
			return err
		}
		if err := tellParent(ready, daemonReport{}); err != nil {
			return err
		}
		return p.serve(c, server)
	})
	if err != nil {
		// Not heard any more once the mount has been reported.
		_ = tellParent(ready, daemonReport{Status: status(err), Error: err.Error(), Hint: hint(err)})
	}
	return err
}
