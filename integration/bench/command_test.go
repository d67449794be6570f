//go:build linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

func TestCommandsFailureTellsWhatItSaid(t *testing.T) {
	c := command{program: "sh", args: []string{"-c", "echo no space left >&2; exit 3"}}
	_, err := c.measure(t.Context(), t.TempDir())
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
}

func TestCommandIsMeasured(t *testing.T) {
	c := command{program: "dd", args: []string{"if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"}}
	u, err := c.measure(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if u.seconds <= 0 || u.peakMiB < 64 {
		t.Errorf("%+v of a program that fills 64 MiB", u)
	}
}

func TestMountThatEndsAtOnceIsAnError(t *testing.T) {
	ended := tool{name: "ended", mounted: "disk", mount: func(place, string) command {
		return command{program: "sh", args: []string{"-c", "echo no such repository >&2"}}
	}}
	_, err := openMounted(context.Background(), ended, place{}, t.TempDir()+"/mount")
	if err == nil || !strings.Contains(err.Error(), "no such repository") {
		t.Errorf("%v", err)
	}
}
