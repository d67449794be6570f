package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/vbauerster/mpb/v8"

	"granary/repo"
)

// version is set by the build.
var version = "0.1.0-dev"

// program is what commands share.
type program struct {
	stdout, stderr io.Writer
	// bars are those of captures that run at once, nil if each has its own.
	bars *mpb.Progress
}

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// Buffers dominate: collect before twice as many have gathered. An
	// operator's own GOGC counts.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	out := &output{to: stdout}
	p := &program{stdout: out, stderr: stderr}
	app := p.app()
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err == nil {
		err = out.err // an answer that is cut short is none
	}
	return p.report(err)
}

// output remembers that not all could be written.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

func (p *program) app() *cli.App {
	app := &cli.App{
		Name:                 "granary",
		Usage:                "back up VMware virtual machines, and mount every backup as a folder",
		Version:              version,
		Writer:               p.stdout,
		ErrWriter:            p.stderr,
		EnableBashCompletion: true,
		// Datastores and folders may have commas in their names.
		DisableSliceFlagSeparator: true,
		HideHelpCommand:           true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "repo", Aliases: []string{"r"}, EnvVars: []string{"GRANARY_REPO"}, Usage: "the repository, a `FOLDER`"},
			&cli.StringFlag{Name: "cache-dir", EnvVars: []string{"GRANARY_CACHE_DIR"}, Usage: "`FOLDER` for the index of a repository that is read-only"},
			&cli.StringFlag{Name: "state-dir", EnvVars: []string{"GRANARY_STATE_DIR"}, Usage: "`FOLDER` for the journals of captures", DefaultText: defaultStateDir()},
			&cli.BoolFlag{Name: "json", Usage: "print JSON on stdout, and nothing else there"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress, no remarks"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say more"},
		},
		Commands: []*cli.Command{
			p.initCommand(), p.captureCommand(), p.runCommand(), p.statusCommand(), p.listCommand(), p.showCommand(), p.mountCommand(), p.umountCommand(),
			p.restoreCommand(), p.checkCommand(), p.rebuildIndexCommand(), p.recoverCommand(), p.statsCommand(),
		},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return usage("%w; see granary --help", err) },
		Action: func(c *cli.Context) error {
			if c.Bool("json") {
				return usage("no command given; see granary --help")
			}
			return cli.ShowAppHelp(c)
		},
		// Errors are reported by report, and nobody but main exits.
		ExitErrHandler: func(*cli.Context, error) {},
	}
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version"}
	for _, c := range app.Commands {
		c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usage("%w; see granary %s --help", err, c.Name) }
	}
	return app
}

// programName is what manifests say of who made them.
func programName() string { return "granary " + version }

// location is where the flags say that the repository is.
func location(c *cli.Context) (string, error) {
	switch where := c.String("repo"); {
	case where == "":
		return "", usage("no repository given: use --repo FOLDER or GRANARY_REPO")
	case strings.Contains(where, "://"):
		return "", usage("--repo %s: this granary keeps repositories in folders only", where)
	default:
		return where, nil
	}
}

// open opens the repository that the flags name.
func (p *program) open(c *cli.Context) (*repo.Repo, error) {
	where, err := location(c)
	if err != nil {
		return nil, err
	}
	return repo.Open(c.Context, where, &repo.Options{CacheDir: c.String("cache-dir"), Log: p.log(c)})
}

// withRepo opens the repository for a command.
func (p *program) withRepo(c *cli.Context, do func(*repo.Repo) error) (err error) {
	r, err := p.open(c)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := r.Close(); err == nil {
			err = closeErr
		}
	}()
	return do(r)
}

// log says on stderr what is worth saying: warnings always, more with -v.
func (p *program) log(c *cli.Context) *slog.Logger {
	level := slog.LevelWarn
	switch {
	case c.Bool("verbose"):
		level = slog.LevelDebug
	case c.Bool("quiet"):
		level = slog.LevelError
	}
	return slog.New(&lineHandler{w: p.stderr, level: level})
}

func stateDir(c *cli.Context) string {
	if dir := c.String("state-dir"); dir != "" {
		return dir
	}
	return defaultStateDir()
}

// defaultStateDir is where this host's journals lie: for root where services
// keep their state, for others in their home.
func defaultStateDir() string {
	if runtime.GOOS != "windows" && os.Geteuid() == 0 {
		return "/var/lib/granary"
	}
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "granary")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "granary-state")
	}
	return filepath.Join(home, ".local", "state", "granary")
}

// arguments checks how many arguments a command got.
func arguments(c *cli.Context, least, most int, what string) error {
	if n := c.NArg(); n < least || most >= 0 && n > most {
		return usage("%s takes %s; see granary %s --help", c.Command.Name, what, c.Command.Name)
	}
	return nil
}

// positive refuses times that are not longer than none.
func positive(c *cli.Context, flags ...string) error {
	for _, f := range flags {
		if c.Duration(f) <= 0 {
			return usage("--%s %s: want a time longer than 0s", f, c.Duration(f))
		}
	}
	return nil
}
