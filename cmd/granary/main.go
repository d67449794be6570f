// Command granary backs up VMware virtual machines. This package is its
// command line: one file a command, which reads flags, calls capture, fusefs or
// repo, and prints. docs of the contract that scripts rely on are in --help and
// in the guides below docs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once; the journal of a capture
	// stays for recovery.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
}
