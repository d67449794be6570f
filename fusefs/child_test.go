//go:build linux

package fusefs_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A process that serves a mount must not touch it. So this test binary starts
// itself again, as a child that does what the first arguments say, for all that
// looks at a mount.

const childVariable = "GRANARY_FUSEFS_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childVariable); task != "" {
		os.Exit(beChild(task, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// childAnswer is what a child writes to its standard output.
type childAnswer struct {
	Result json.RawMessage
	Errno  syscall.Errno
	Err    string
}

var childTasks = map[string]func(args []string) (any, error){
	"tree":      childTree,
	"stat":      func(args []string) (any, error) { return childStat(args[0]) },
	"statfs":    childStatfs,
	"entries":   childEntries,
	"read":      childRead,
	"seek":      childSeek,
	"getxattr":  childGetxattr,
	"listxattr": childListxattr,
	"compare":   childCompare,
	"write":     childWrite,
	"hold":      childHold,
	"serve":     childServe,
	"damage":    childDamage,
}

func beChild(task string, args []string) int {
	result, err := childTasks[task](args)
	var a childAnswer
	if err != nil {
		a.Err = err.Error()
		errors.As(err, &a.Errno)
	}
	if a.Result, err = json.Marshal(result); err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		panic(err)
	}
	return 0
}

// childCommand prepares a child. Its standard error is the test's.
func childCommand(ctx context.Context, task string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	// The race detector sleeps for a second before it ends a program.
	cmd.Env = append(os.Environ(), childVariable+"="+task, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// ask runs a child to its end, and fills in result unless it is nil.
func ask(t *testing.T, result any, task string, args ...string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	out, err := childCommand(ctx, task, args...).Output()
	if err != nil {
		t.Fatalf("child %s %q: %v", task, args, err)
	}
	var a childAnswer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("child %s %q said %q: %v", task, args, out, err)
	}
	if a.Errno != 0 {
		return a.Errno
	}
	if a.Err != "" {
		return errors.New(a.Err)
	}
	if result != nil {
		if err := json.Unmarshal(a.Result, result); err != nil {
			t.Fatal(err)
		}
	}
	return nil
}

// must is ask for what has to succeed.
func must[T any](t *testing.T, task string, args ...string) T {
	t.Helper()
	var result T
	if err := ask(t, &result, task, args...); err != nil {
		t.Fatalf("%s %q: %v", task, args, err)
	}
	return result
}

// run runs another program that looks at a mount.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}
