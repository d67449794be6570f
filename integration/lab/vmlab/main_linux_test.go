package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"granary/integration/guest"
)

func TestCommands(t *testing.T) {
	do := func(args ...string) (string, error) {
		t.Helper()
		var out bytes.Buffer
		err := run(t.Context(), args, &out)
		return out.String(), err
	}
	dir := filepath.Join(t.TempDir(), "vm")
	vmx, err := do("make", "-disks", "2", "-size", "48", "-chain", "1", dir, "web")
	vmx = strings.TrimSpace(vmx)
	if err != nil || vmx != filepath.Join(dir, "web.vmx") {
		t.Fatalf("make: %q, %v", vmx, err)
	}
	if _, err := do("change", "-disk", "1", vmx, "monday"); err != nil {
		t.Fatal(err)
	}
	if out, err := do("verify", vmx); err != nil || !strings.HasPrefix(out, "one point in time: ") {
		t.Errorf("verify: %q, %v", out, err)
	}
	disks := []string{filepath.Join(dir, "web-000001.vmdk"), filepath.Join(dir, "web_1-000001.vmdk")}
	if _, err := do("verify", disks[1], disks[0]); !errors.Is(err, guest.ErrTorn) {
		t.Errorf("verify in another order: %v", err)
	}
	if _, err := do("fsck", disks[0], disks[1]); err != nil {
		t.Error(err)
	}
	if out, err := do("cat", disks[1], "/var/monday"); err != nil || len(out) != 256<<10 {
		t.Errorf("cat: %d bytes, %v", len(out), err)
	}
	if team, err := do("team", dir, "shop", vmx); err != nil || team != filepath.Join(dir, "shop.vmtm")+"\n" {
		t.Errorf("team: %q, %v", team, err)
	}
	hostile := filepath.Join(t.TempDir(), "-n ;rm\n\xff")
	if vmx, err := do("make", "-size", "48", "-encrypted", "-memsize", "64", "--", hostile, "-n"); err != nil || vmx != filepath.Join(hostile, "-n.vmx")+"\n" {
		t.Errorf("make: %q, %v", vmx, err)
	}
	for _, args := range [][]string{{}, {"frobnicate"}, {"team", dir, "shop"}, {"make", dir}, {"verify"}, {"cat", "x"}} {
		if _, err := do(args...); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want errUsage", args, err)
		}
	}
}
