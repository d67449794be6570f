//go:build unix

package process

import (
	"context"
	"strings"
	"testing"
	"time"
)

func shell(t *testing.T, ctx context.Context, script string) Result {
	t.Helper()
	r, err := Run(ctx, Command{Program: "/bin/sh", Args: []string{"-c", script}, Grace: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestInputIsEmptyAndPasswordsStayBehind(t *testing.T) {
	t.Setenv("GRANARY_HOST_PASSWORD", "geheim")
	t.Setenv("ESX_PASSWORD", "geheim")
	t.Setenv("GRANARY_REPO", "/backup")
	HideVariable("ESX_PASSWORD")
	r := shell(t, t.Context(), "cat; env; exit 3")
	if r.Status != 3 || r.Killed {
		t.Errorf("%+v", r)
	}
	if strings.Contains(r.Stdout, "geheim") || !strings.Contains(r.Stdout, "GRANARY_REPO=/backup") {
		t.Errorf("the environment was\n%s", r.Stdout)
	}
}

// A program that ignores the polite signal, and what it started, are ended.
func TestTheWholeGroupEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r := shell(t, ctx, "trap '' TERM; sleep 1000 & sleep 1000; sleep 1000")
	if !r.Killed || r.Status != -1 {
		t.Errorf("%+v", r)
	}
	pids, err := Find(func(argv []string, _ func() (string, error)) bool {
		return len(argv) == 2 && argv[0] == "sleep" && argv[1] == "1000"
	})
	if err != nil || len(pids) > 0 {
		t.Errorf("processes %v are left, %v", pids, err)
	}
}

func TestShownHoldsNoSecretAndIsShort(t *testing.T) {
	r := Result{Stdout: "login with geheim failed\xff\r\n" + strings.Repeat("x", 100_000), Stderr: "why"}
	shown := r.Shown("", "geheim")
	if strings.Contains(shown, "geheim") || !strings.HasPrefix(shown, "login with *** failed\uFFFD") ||
		!strings.HasSuffix(shown, "why") || len(shown) > 9<<10 {
		t.Errorf("shown: %.60q (%d bytes)", shown, len(shown))
	}
}
