package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// cores is how many processors all programs together may use.
const cores = 2

func run(ctx context.Context, args []string, stdout io.Writer) error {
	s, err := parseSettings(args)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("needs root: it drops the page cache and mounts the disk of the guest")
	}
	// A plain root's PATH may lack what mounts and makes file systems.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if err := useCores(cores); err != nil {
		return fmt.Errorf("keep to %d cores: %w", cores, err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	tools := s.tools()
	report := &report{Date: time.Now().UTC().Format(time.DateOnly), Command: s.command(), Rounds: s.rounds, results: newResults()}
	if report.Tools, err = describeTools(ctx, tools); err != nil {
		return err
	}
	if report.Machine, err = describeMachine(ctx, s.dir); err != nil {
		return fmt.Errorf("describe the machine: %w", err)
	}
	if report.Machine.Filesystem == "tmpfs" {
		return fmt.Errorf("%s is memory: give a folder on a disk by -dir", s.dir)
	}
	if report.Data, err = makeData(ctx, s.dir); err != nil {
		return fmt.Errorf("make the data: %w", err)
	}
	for number := range s.rounds {
		r := &round{number: number, dir: filepath.Join(s.dir, "round"), data: report.Data, results: report.results}
		if err := r.run(ctx, tools, s.steps); err != nil {
			return fmt.Errorf("round %d: %w", number+1, err)
		}
	}
	if report.OwnPeakMiB, err = ownPeakMiB(); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(s.dir, "results.json"), report); err != nil {
		return err
	}
	if err := report.publish(stdout, s.out); err != nil {
		return err
	}
	return report.results.failure(granaryName)
}

// useCores leaves this program, and so all that it starts, at most n processors.
// It runs itself again for that, because only threads have an affinity.
func useCores(n int) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() <= n {
		return err
	}
	for cpu := 0; set.Count() > n; cpu++ {
		set.Clear(cpu)
	}
	runtime.LockOSThread()
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
