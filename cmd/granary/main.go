// Command granary backs up VMware virtual machines. This package is its
// command line: one file a command, which reads flags, calls capture, fusefs or
// repo, and prints. docs of the contract that scripts rely on are in --help and
// in the guides below docs.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// gcPercent is how much garbage may gather beside what is in use, in percent of
// it, unless the environment says otherwise. What is in use are large buffers
// without pointers: to look them through costs next to nothing, and as much
// garbage again would double the memory.
const gcPercent = 25

// threadsPerCore is how many threads run Go for each core, unless the environment
// says otherwise. While one waits for a disk or the kernel, or compresses in C,
// Go takes it for busy: with one for each core a fourth of a capture's time is
// lost in waiting for the other.
const threadsPerCore = 2

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(threadsPerCore * runtime.GOMAXPROCS(0))
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	// A terminal that closes ends granary as Ctrl-C does, not at once; under
	// nohup it does not.
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// A second signal ends the program at once; the journal of a capture
	// stays for recovery.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}
