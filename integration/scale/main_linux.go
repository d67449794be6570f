package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "scale:", err)
	os.Exit(1)
}

// parts are what a process of its own does; each prints what it measured.
var parts = map[string]func(ctx context.Context, args []string, out io.Writer) error{
	"make": makeRepository, "dense": makeDense, "strew": strew,
	"index": measureIndex, "merge": measureMerge, "session": measureSession, "seek": measureSeek,
}

// run measures all, or does a part.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		if part := parts[args[0]]; part != nil {
			return part(ctx, args[1:], out)
		}
	}
	b := &bench{out: out}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	parent := flags.String("dir", "/var/tmp", "a `FOLDER` on a disk with room, 250 bytes a grain, to work in a folder of its own below it")
	flags.StringVar(&b.granary, "granary", "", "the `PROGRAM` to measure (default: it is built)")
	grains := flags.String("grains", "1e6,1e7", "sizes of the repositories in grains; 0 for none")
	flags.IntVar(&b.times, "times", 3, "how often quick steps are run, for the median")
	flags.Int64Var(&b.disk, "disk", 16<<40-1<<30, "size of the sparse disk in bytes; 0 for none")
	flags.Int64Var(&b.dense, "dense", 2<<40, "size of the disk without holes in bytes; 0 for none")
	keep := flags.Bool("keep", false, "keep the repositories")
	if err := flags.Parse(args); err != nil {
		return err
	}
	counts, err := parseCounts(*grains)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(*parent, "granary-scale-"); err != nil {
		return err
	}
	if !*keep {
		defer os.RemoveAll(b.dir)
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, n := range counts {
		if err := b.repository(ctx, n); err != nil {
			return fmt.Errorf("%d grains: %w", n, err)
		}
	}
	if b.disk > 0 {
		if err := b.sparseDisk(ctx); err != nil {
			return fmt.Errorf("sparse disk: %w", err)
		}
	}
	if b.dense > 0 {
		if err := b.denseDisk(ctx); err != nil {
			return fmt.Errorf("dense disk: %w", err)
		}
	}
	return nil
}

// prepare finds the programs that are run.
func (b *bench) prepare(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return err
	}
	if b.granary != "" {
		b.granary, err = filepath.Abs(b.granary)
		return err
	}
	b.granary = filepath.Join(b.dir, "granary")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.granary, "granary/cmd/granary")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build granary: %w", err)
	}
	return nil
}
