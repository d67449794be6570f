package capture

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A copy of a disk that a process writes to is refused, and a lock too.
func TestProveOff(t *testing.T) {
	dir := folder(t, map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", ""), "flat": sector})
	p, err := NewPlan(filepath.Join(dir, "web.vmx"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.proveOff(); err != nil {
		t.Errorf("a VM at rest: %v", err)
	}
	writer, err := os.OpenFile(filepath.Join(dir, "flat"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.proveOff(); !errors.Is(err, ErrRunning) {
		t.Errorf("a disk open for writing: %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, "web.vmx.lck")
	for name, locked := range map[string]bool{"M12345.lck": true, "other": false} {
		if err := os.MkdirAll(lock, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lock, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := p.proveOff(); errors.Is(err, ErrRunning) != locked {
			t.Errorf("with lock %s: %v", name, err)
		}
		if err := os.RemoveAll(lock); err != nil {
			t.Fatal(err)
		}
	}
}

// A pipe in place of a file is refused before it is opened, which would wait
// for ever.
func TestPipeIsRefused(t *testing.T) {
	dir := folder(t, map[string]string{"web.vmx": config("a.vmdk"), "a.vmdk": descriptor("flat", "")})
	if err := syscall.Mkfifo(filepath.Join(dir, "flat"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(filepath.Join(dir, "web.vmx")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("NewPlan = %v", err)
	}
}
