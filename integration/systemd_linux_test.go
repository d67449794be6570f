package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The units in docs are what systemd takes without a remark, with the program
// where the test has built it.
func TestUnitsAreValid(t *testing.T) {
	const installed = "/usr/local/bin/granary"
	files, err := filepath.Glob("../docs/systemd/granary-*")
	if err != nil || len(files) != 3 {
		t.Fatalf("units: %q, %v", files, err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, file := range files {
		unit, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, filepath.Base(file))
		text := strings.ReplaceAll(string(unit), installed, filepath.Join(bin, "granary"))
		if err := os.WriteFile(copied, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, copied)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
	}

	// The check can fail.
	service := filepath.Join(dir, "granary-run.service")
	text, err := os.ReadFile(service)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(text), "KillMode=", "KillModus=", 1)
	if err := os.WriteFile(service, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput(); err == nil && len(out) == 0 {
		t.Error("systemd-analyze accepts a key that does not exist")
	}
}

// VMs that granary starts live in its unit's control group, and inherit what the
// unit sets for its processes.
func TestUnitsLeaveStartedVMsAlone(t *testing.T) {
	for _, name := range []string{"granary-run.service", "granary-recover.service"} {
		unit, err := os.ReadFile("../docs/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for line := range strings.Lines(string(unit)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
				settings[key] = value
			}
		}
		if settings["KillMode"] != "process" {
			t.Errorf("%s: KillMode=%s ends the VMs with granary", name, settings["KillMode"])
		}
		for _, inherited := range []string{"Nice", "IOSchedulingClass", "CPUSchedulingPolicy", "MemoryMax", "LimitNOFILE", "OOMScoreAdjust", "PrivateTmp", "ProtectSystem", "NoNewPrivileges"} {
			if _, set := settings[inherited]; set {
				t.Errorf("%s: the VMs would inherit %s", name, inherited)
			}
		}
	}
}
