package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"granary/integration/guest"
	"granary/integration/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "vmlab:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

var errUsage = errors.New("usage: vmlab make | team | change | verify | fsck | cat ARGUMENTS")

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	commands := map[string]func(context.Context, []string, io.Writer) error{
		"make": makeVM, "team": team, "change": change, "verify": verify, "fsck": fsck, "cat": cat,
	}
	command, ok := commands[args[0]]
	if !ok {
		return errUsage
	}
	return command(ctx, args[1:], stdout)
}

func makeVM(ctx context.Context, args []string, stdout io.Writer) error {
	var spec lab.Spec
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	flags.StringVar(&spec.Subformat, "subformat", "", "one of "+strings.Join(lab.Subformats, ", "))
	flags.IntVar(&spec.Disks, "disks", 1, "number of disks")
	size := flags.Int64("size", lab.DefaultDiskSize>>20, "size of each disk in MiB")
	flags.StringVar(&spec.ExternalDisk, "external", "", "directory of the last disk")
	flags.IntVar(&spec.Chain, "chain", 0, "number of snapshots")
	flags.BoolVar(&spec.Independent, "independent", false, "make the last disk independent")
	flags.BoolVar(&spec.Encrypted, "encrypted", false, "make it want a password")
	flags.IntVar(&spec.MemSize, "memsize", 0, "memory in MiB")
	if err := flags.Parse(args); err != nil || flags.NArg() != 2 {
		return errors.Join(errUsage, err)
	}
	spec.Dir, spec.Name, spec.DiskSize = flags.Arg(0), flags.Arg(1), *size<<20
	vm, err := lab.MakeVM(ctx, spec)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, vm.VMX)
	return err
}

func team(_ context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) < 3 {
		return errUsage
	}
	path, err := lab.MakeTeam(args[0], args[1], args[2:]...)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, path)
	return err
}

func change(ctx context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("change", flag.ContinueOnError)
	disk := flags.Int("disk", 0, "number of the disk")
	size := flags.Int("size", 256<<10, "size of the new file in bytes")
	if err := flags.Parse(args); err != nil || flags.NArg() != 2 {
		return errors.Join(errUsage, err)
	}
	vm, err := lab.OpenVM(flags.Arg(0))
	if err != nil {
		return err
	}
	return lab.ChangeFiles(ctx, vm, *disk, flags.Arg(1), *size)
}

func verify(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	disks := args
	if len(args) == 1 && strings.EqualFold(filepath.Ext(args[0]), ".vmx") {
		var err error
		if disks, err = lab.Disks(args[0]); err != nil {
			return err
		}
	}
	report, err := guest.Verify(ctx, disks)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "one point in time: seq %d, boots %d, %s, disks %v\n", report.Seq, report.Boots, report.Flag, report.Max)
	return err
}

func fsck(ctx context.Context, args []string, _ io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	for _, disk := range args {
		if err := lab.CheckFilesystem(ctx, disk); err != nil {
			return err
		}
	}
	return nil
}

func cat(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errUsage
	}
	data, err := lab.ReadFile(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	_, err = stdout.Write(data)
	return err
}
