package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"granary/integration/guest"
	"granary/integration/standin"
	"granary/integration/standin/machine"
)

// Each script in testdata/script begins with the behaviour that it shows. It
// has a host of its own: a state of granary, one of VMware, and $GRANARY_REPO,
// where no repository is yet. Beside the commands of testscript there are
//
//	status N PROGRAM ARG...  run a program, which has to end with that status
//	json PATH REGEXP         what the last line on stdout holds there, as a/0/b
//	keys [/PATH] KEY...      the keys of that object, all of them
//	let VARIABLE PATH        keep what is there
//	flatvm DIR [BYTES]       make the VM DIR/NAME.vmx with a flat disk of noise
//	vm off|running VMX       its state, without a snapshot or redo log of ours
//	faults [JSON...]         what vmrun does wrong from now on
//	settings JSON            of vmrun
//	vcb SETTINGS [FAULT...]  of vcbMounter, and what it does wrong, as JSON
//	calls VERB [HOST]        how often vmrun was called so, on stdout
//	tidy N                   N generations, and nothing that a capture left
//	flip FILE OFFSET         damage a byte; from the end if negative
//	asroot PROGRAM ARG...    run what only root may
//
// Scripts reach into mounts by exec only: a process that waits for a mount that
// does not answer cannot be killed, and must not be this one.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               scriptHost,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": scriptStatus, "json": scriptJSON, "keys": scriptKeys, "let": scriptLet, "flatvm": scriptFlatVM,
			"vm": scriptVM, "faults": scriptFaults, "settings": scriptSettings, "vcb": scriptVCB, "calls": scriptCalls, "tidy": scriptTidy, "flip": scriptFlip, "asroot": scriptAsRoot,
		},
	})
}

// scriptHost sets a script's host up, and tears it down at its end.
func scriptHost(env *testscript.Env) error {
	vmware, err := standin.New(filepath.Join(env.WorkDir, "vmware"))
	if err == nil {
		err = vmware.Configure(standin.Settings{Pause: "1ms", Cache: guest.Unsafe})
	}
	home := filepath.Join(env.WorkDir, "home")
	if err = errors.Join(err, os.MkdirAll(home, 0o755)); err != nil {
		return err
	}
	env.Values[vmwareKey] = vmware
	for name, value := range map[string]string{
		"PATH": bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME": home, "LC_ALL": "C",
		"OWNER":               fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()),
		standin.StateVariable: vmware.Dir(), "GRANARY_VMRUN": filepath.Join(bin, "vmrun"),
		"GRANARY_VCBMOUNTER": filepath.Join(bin, "vcbMounter"),
		"GRANARY_STATE_DIR":  filepath.Join(env.WorkDir, "state"), "GRANARY_REPO": filepath.Join(env.WorkDir, "repo"),
	} {
		env.Setenv(name, value)
	}
	env.Defer(func() {
		if t := env.T().(testing.TB); t.Failed() {
			logFailedCalls(t, vmware)
		}
		if err := errors.Join(vmware.KillAll(), unmountBelow(env.WorkDir)); err != nil {
			env.T().Fatal(err)
		}
	})
	return nil
}

// logFailedCalls tells what is behind vmrun's words.
func logFailedCalls(t testing.TB, vmware *standin.State) {
	calls, err := vmware.Calls()
	if err != nil {
		t.Log(err)
	}
	for _, c := range calls {
		if c.Detail != "" && c.Verb != "version" { // which always fails
			t.Logf("vmrun %s ended with %d: %.200s", c.Verb, c.Exit, c.Detail)
		}
	}
}

const vmwareKey = "vmware"

func vmwareOf(ts *testscript.TestScript) *standin.State { return ts.Value(vmwareKey).(*standin.State) }

// unmountBelow takes away what a script has left mounted, so that its folder
// can be removed without reading a mount.
func unmountBelow(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	}
	slices.Reverse(points)
	for _, point := range points {
		cmd := superuser("umount", "-l", point)
		if out, unmountErr := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); unmountErr != nil {
			err = errors.Join(err, fmt.Errorf("umount %s: %w: %s", point, unmountErr, out))
		}
	}
	return err
}

// superuser is a command that only root may run.
func superuser(args ...string) []string {
	if os.Getuid() != 0 {
		args = append([]string{"sudo", "-n"}, args...)
	}
	return args
}

func scriptAsRoot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: asroot PROGRAM ARG...")
	}
	args = superuser(args...)
	ts.Check(ts.Exec(args[0], args[1:]...))
}

// scriptStatus also holds granary to what it promises for each call: errors as
// `granary: …`, a hint only behind one, and nothing but JSON where that was
// asked for.
func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARG...")
	}
	// Nothing may hang.
	err := ts.Exec("timeout", append([]string{"-k", "5", "120"}, args[1:]...)...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("exit status %d, want %s", status, args[0])
	}
	if args[1] != "granary" {
		return
	}
	said, before := false, ""
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		said = said || strings.HasPrefix(line, "granary: ")
		if strings.HasPrefix(line, "hint: ") && !strings.HasPrefix(before, "granary: ") {
			ts.Fatalf("a hint for no error: %s", line)
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			ts.Fatalf("granary crashed")
		}
		before = line
	}
	if status != 0 && !said {
		ts.Fatalf("no line of stderr begins with granary:")
	}
	flags := args
	if end := slices.Index(args, "--"); end > 0 {
		flags = args[:end]
	}
	if slices.Contains(flags, "--json") && !slices.Contains(flags, "--help") {
		for line := range strings.Lines(ts.ReadFile("stdout")) {
			if !json.Valid([]byte(line)) {
				ts.Fatalf("stdout is not only JSON: %s", line)
			}
		}
	}
}

// scriptFlatVM makes a VM of text and one flat extent, which scripts bend.
func scriptFlatVM(ts *testscript.TestScript, neg bool, args []string) {
	size := int64(256 << 10)
	if len(args) == 2 {
		var err error
		size, err = strconv.ParseInt(args[1], 10, 64)
		ts.Check(err)
	}
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: flatvm DIR [BYTES]")
	}
	dir := ts.MkAbs(args[0])
	name := filepath.Base(dir)
	ts.Check(os.MkdirAll(dir, 0o755))
	write := func(ending, format string, values ...any) {
		ts.Check(os.WriteFile(filepath.Join(dir, name+ending), fmt.Appendf(nil, format, values...), 0o644))
	}
	write(".vmx", ".encoding = \"UTF-8\"\ndisplayName = %q\nmsg.autoAnswer = \"TRUE\"\n"+
		"scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"%s.vmdk\"\n", name, name)
	write(".vmdk", "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n"+
		"RW %d FLAT \"%s-flat.vmdk\" 0\nddb.adapterType = \"lsilogic\"\n", size/512, name)
	noise := make([]byte, size)
	rand.NewChaCha8([32]byte(slices.Concat([]byte(name), make([]byte, 32))[:32])).Read(noise)
	ts.Check(os.WriteFile(filepath.Join(dir, name+"-flat.vmdk"), noise, 0o644))
}

var redoLog = regexp.MustCompile(`-\d{6}\.vmdk$`)

func scriptVM(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "off" && args[0] != "running" {
		ts.Fatalf("usage: vm off|running VMX")
	}
	vmx := ts.MkAbs(args[1])
	if running := vmwareOf(ts).Running(vmx); running != (args[0] == "running") {
		ts.Fatalf("running: %t", running)
	}
	m, err := machine.Open(vmx, "")
	ts.Check(err)
	snapshots, err := m.Snapshots()
	ts.Check(err)
	for _, s := range snapshots {
		if strings.HasPrefix(s.Name(), "granary-") {
			ts.Fatalf("the snapshot %s is left", s.Name())
		}
	}
	for _, disk := range m.DiskPaths() {
		if redoLog.MatchString(disk) && len(snapshots) == 0 {
			ts.Fatalf("the VM writes to %s without a snapshot", disk)
		}
	}
}

func scriptFaults(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: faults [JSON...]")
	}
	faults := make([]standin.Fault, len(args))
	for i, arg := range args {
		decodeStrictly(ts, arg, &faults[i])
	}
	ts.Check(vmwareOf(ts).SetFaults(faults...))
}

func scriptSettings(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: settings JSON")
	}
	s := standin.Settings{Pause: "1ms", Cache: guest.Unsafe}
	decodeStrictly(ts, args[0], &s)
	ts.Check(vmwareOf(ts).Configure(s))
}

func scriptVCB(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: vcb SETTINGS [FAULT...]")
	}
	var s standin.VCBSettings
	decodeStrictly(ts, args[0], &s)
	ts.Check(vmwareOf(ts).ConfigureVCB(s))
	faults := make([]standin.VCBFault, len(args)-1)
	for i, arg := range args[1:] {
		decodeStrictly(ts, arg, &faults[i])
	}
	ts.Check(vmwareOf(ts).SetVCBFaults(faults...))
}

// decodeStrictly reads JSON without keys that mean nothing.
func decodeStrictly(ts *testscript.TestScript, text string, v any) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	ts.Check(decoder.Decode(v))
}

func scriptCalls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: calls VERB [HOST]")
	}
	calls, err := vmwareOf(ts).Calls()
	ts.Check(err)
	n := 0
	for _, c := range calls {
		if c.Verb == args[0] && (len(args) == 1 || c.Host == args[1]) {
			n++
		}
	}
	fmt.Fprintln(ts.Stdout(), n)
}

func scriptTidy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tidy N")
	}
	repository := ts.Getenv("GRANARY_REPO")
	generations := filesBelow(ts, filepath.Join(repository, "generations"))
	if strconv.Itoa(len(generations)) != args[0] {
		ts.Fatalf("%d generations, want %s", len(generations), args[0])
	}
	left := slices.Concat(filesBelow(ts, filepath.Join(repository, "sessions")), filesBelow(ts, filepath.Join(repository, "tmp")),
		filesBelow(ts, ts.Getenv("TMPDIR")))
	for _, pack := range filesBelow(ts, filepath.Join(repository, "packs")) {
		session := filepath.Base(filepath.Dir(pack))
		if !slices.Contains(generations, filepath.Join(repository, "generations", session)) {
			left = append(left, pack)
		}
	}
	for _, file := range filesBelow(ts, ts.Getenv("GRANARY_STATE_DIR")) {
		if filepath.Ext(file) == ".journal" {
			left = append(left, file)
		}
	}
	if len(left) > 0 {
		ts.Fatalf("left behind: %q", left)
	}
}

// filesBelow lists the files below a folder, none if it is missing.
func filesBelow(ts *testscript.TestScript, dir string) []string {
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		ts.Check(err)
	}
	return files
}

func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	file := ts.MkAbs(args[0])
	b, err := os.ReadFile(file)
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b = bytes.Clone(b)
	b[at] ^= 0xff
	ts.Check(os.WriteFile(file, b, 0o600))
}
