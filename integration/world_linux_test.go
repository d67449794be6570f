package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// bin holds the programs under test.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "granary-bin-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-o", dir, "granary/cmd/granary", "granary/integration/standin/vmrun", "granary/integration/lab/vmlab")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the programs under test:", err)
			return 1
		}
		if _, err := standin.InstallVCB(context.Background(), dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// world is a host: a repository, a state of granary, and one of VMware.
type world struct {
	*testing.T
	dir    string
	vmware *standin.State
	env    []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	vmware, err := standin.New(filepath.Join(dir, "vmware"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, dir: dir, vmware: vmware}
	t.Cleanup(func() {
		if err := vmware.KillAll(); err != nil {
			t.Error(err)
		}
	})
	if err := vmware.Configure(standin.Settings{Pause: "1ms", Cache: guest.Unsafe}); err != nil {
		t.Fatal(err)
	}
	w.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), standin.StateVariable+"="+vmware.Dir(),
		"GRANARY_VMRUN="+filepath.Join(bin, "vmrun"), "GRANARY_VCBMOUNTER="+filepath.Join(bin, "vcbMounter"), "GRANARY_STATE_DIR="+w.path("state"), "GRANARY_REPO="+w.path("repo"), "HOME="+dir)
	w.must("init", "--plaintext")
	return w
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// makeVM makes a VM below vms/.
func (w *world) makeVM(spec lab.Spec) *lab.VM {
	w.Helper()
	if spec.Name == "" {
		spec.Name = "web"
	}
	if spec.DiskSize == 0 {
		spec.DiskSize = 48 << 20
	}
	spec.Dir = w.path("vms", spec.Name)
	vm, err := lab.MakeVM(w.Context(), spec)
	if err != nil {
		w.Fatal(err)
	}
	return vm
}

// outcome is what a program did.
type outcome struct {
	status         int
	stdout, stderr string
}

func (w *world) command(program string, args ...string) *exec.Cmd {
	if !strings.Contains(program, "/") {
		if own := filepath.Join(bin, program); exists(own) {
			program = own
		}
	}
	cmd := exec.CommandContext(w.Context(), program, args...)
	cmd.Env = w.env
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (w *world) run(program string, args ...string) outcome {
	w.Helper()
	cmd := w.command(program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.Fatalf("%s %q: %v", program, args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// granary runs granary.
func (w *world) granary(args ...string) outcome {
	w.Helper()
	return w.run("granary", args...)
}

// must runs granary, which has to succeed, and returns what it printed.
func (w *world) must(args ...string) string {
	w.Helper()
	o := w.granary(args...)
	if o.status != 0 {
		w.Fatalf("granary %q: exit status %d\n%s%s", args, o.status, o.stdout, o.stderr)
	}
	return o.stdout
}

// tool runs another program, which has to succeed.
func (w *world) tool(program string, args ...string) string {
	w.Helper()
	o := w.run(program, args...)
	if o.status != 0 {
		w.Fatalf("%s %q: exit status %d\n%s%s", program, args, o.status, o.stdout, o.stderr)
	}
	return o.stdout
}

// captured is the line of `capture --json`.
type captured struct {
	VM, Generation, Consistency string
	Stored                      int64    `json:"stored_bytes"`
	New                         int64    `json:"new_bytes"`
	Read                        int64    `json:"read_bytes"`
	Downtime                    *float64 `json:"downtime_seconds"`
}

func (w *world) capture(args ...string) captured {
	w.Helper()
	var c captured
	if err := json.Unmarshal([]byte(w.must(append([]string{"capture", "--json"}, args...)...)), &c); err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) start(vm *lab.VM) {
	w.Helper()
	w.tool("vmrun", "start", vm.VMX, "nogui")
}

// mount mounts the repository for the length of the test.
func (w *world) mount() string {
	w.Helper()
	dir := w.path("mount")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.Fatal(err)
	}
	w.must("mount", "-d", dir)
	w.Cleanup(func() {
		if out, err := exec.Command("fusermount3", "-u", "-z", dir).CombinedOutput(); err != nil {
			w.Errorf("unmount: %v: %s", err, out)
		}
	})
	return dir
}

// sums maps each file below dir to its SHA-256. dir is no mount of ours: this
// process must not read one.
func (w *world) sums(dir string) map[string]string {
	w.Helper()
	sums := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		sums[rel] = fmt.Sprintf("%x", h.Sum(nil))
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return sums
}

// sumsByOthers does the same by find and sha256sum, for mounts.
func (w *world) sumsByOthers(dir string) map[string]string {
	w.Helper()
	sums := map[string]string{}
	for line := range strings.Lines(w.tool("sh", "-c", `cd "$1" && find . -type f -exec sha256sum {} +`, "sh", dir)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[strings.TrimPrefix(name, "./")] = sum
	}
	return sums
}

func (w *world) sameFiles(what string, got, want map[string]string) {
	w.Helper()
	for name, sum := range want {
		if got[name] != sum {
			w.Errorf("%s: %s is other than what was captured", what, name)
		}
	}
	for name := range got {
		if want[name] == "" {
			w.Errorf("%s: %s was not in the VM", what, name)
		}
	}
}

// onePointInTime proves by the guest's stamps that the disks of a copied VM
// belong together, and returns what the proof says.
func (w *world) onePointInTime(vmx string) string {
	w.Helper()
	return w.tool("vmlab", "verify", vmx)
}

// eventually waits for a condition of another process.
func eventually(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("never: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}
