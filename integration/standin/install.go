//go:build linux

package standin

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Install builds the program into dir, as dir/vmrun, and returns its path. It
// is called from within this module, as tests are.
func Install(ctx context.Context, dir string) (string, error) {
	program, err := filepath.Abs(filepath.Join(dir, "vmrun"))
	if err != nil {
		return "", fmt.Errorf("install vmrun: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "granary/integration/standin/vmrun")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install vmrun: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return program, nil
}
