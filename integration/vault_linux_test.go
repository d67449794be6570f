package integration

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/integration/guest"
	"granary/integration/lab"
	"granary/integration/standin"
)

// recorder is a vmrun that keeps its command line and environment.
const recorder = `#!/bin/sh
at=$(mktemp "$RECORDS/XXXXXXXXXX")
cat /proc/$$/environ >"$at.environ"
cat /proc/$$/cmdline >"$at"
exec "$STAND_IN" "$@"
`

// vault is a host whose VM wants three passwords: of the host's login, of the
// encrypted VM, and of its guest.
type vault struct {
	*world
	vm     *lab.VM
	source string // where granary finds the passwords: "file" or "environment"
	looks  int    // at granary's command line, each of which found it
}

func newVault(t *testing.T, source string) *vault {
	v := &vault{world: newWorld(t), source: source}
	for _, dir := range []string{"records", "scripts", "passwords", "wrapper"} {
		if err := os.Mkdir(v.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(v.path("wrapper", "vmrun"), []byte(recorder), 0o755); err != nil {
		t.Fatal(err)
	}
	v.vm = v.makeVM(lab.Spec{Encrypted: true})
	v.configure()
	v.env = append(v.env, "RECORDS="+v.path("records"), "SCRIPTS="+v.path("scripts"), "STAND_IN="+filepath.Join(bin, "vmrun"),
		"GRANARY_VMRUN="+v.path("wrapper", "vmrun"))
	v.tool("vmrun", "-T", "esx", "-h", "esx1", "-u", "root", "-p", secretOfHost, "-vp", secretOfVM, "start", "[ds] web/web.vmx", "nogui")
	return v
}

func (v *vault) configure() {
	v.Helper()
	esx := standin.RemoteHost{User: "root", Password: secretOfHost, Datastores: map[string]string{"ds": v.path("vms")}}
	err := v.vmware.Configure(standin.Settings{Pause: "20ms", Cache: guest.Unsafe, VMPassword: secretOfVM,
		Hosts: map[string]standin.RemoteHost{"esx1": esx}, Guest: standin.Login{User: "root", Password: secretOfGuest},
		GuestPrograms: map[string]standin.GuestProgram{"/freeze": {Freeze: true}, "/thaw": {Thaw: true}}})
	if err != nil {
		v.Fatal(err)
	}
}

// passwords are the flags, or the variables, that lead to the passwords; wrong
// is of whom the wrong one is given.
func (v *vault) passwords(wrong string) (flags, variables []string) {
	v.Helper()
	secrets := map[string]string{"host": secretOfHost, "vm": secretOfVM, "guest": secretOfGuest}
	if wrong != "" {
		secrets[wrong] = wrongSecret
	}
	for of, secret := range secrets {
		if v.source == "environment" {
			variables = append(variables, "GRANARY_"+strings.ToUpper(of)+"_PASSWORD="+secret)
			continue
		}
		file := v.path("passwords", of)
		if err := os.WriteFile(file, []byte(secret+"\nnotes of no concern\n"), 0o600); err != nil {
			v.Fatal(err)
		}
		flags = append(flags, "--"+of+"-password-file", file)
	}
	return flags, variables
}

// quietly runs granary, and fails where a password shows: in what it prints, or
// on any command line but vmrun's.
func (v *vault) quietly(variables []string, args ...string) outcome {
	v.Helper()
	return v.interrupted(nil, variables, args...)
}

// interrupted is quietly with a kill -9 of granary once a condition holds.
func (v *vault) interrupted(when func() bool, variables []string, args ...string) outcome {
	v.Helper()
	cmd := v.command("granary", args...)
	cmd.Env = append(slices.Clone(v.env), variables...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	ctx, cancel := context.WithCancel(v.Context())
	var watching sync.WaitGroup
	watching.Go(func() { v.watchCommandLines(ctx, cmd.Process.Pid) })
	if when != nil {
		if err := eventually(v.Context(), "the moment to kill it", when); err != nil {
			v.Error(err)
		}
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait() // the status tells
	cancel()
	watching.Wait()
	o := outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
	for stream, text := range map[string]string{"stdout": o.stdout, "stderr": o.stderr} {
		if mark := secretIn([]byte(text)); mark != "" {
			v.Errorf("granary %q: %s on %s\n%s", args, mark, stream, text)
		}
	}
	return o
}

// secretIn is the first mark of a password in data, empty if there is none.
func secretIn(data []byte) string {
	for _, mark := range secretMarks {
		if bytes.Contains(data, []byte(mark)) {
			return mark
		}
	}
	return ""
}

// watchCommandLines looks at the command line of granary, and of all processes
// there are, until ctx is done.
func (v *vault) watchCommandLines(ctx context.Context, granary int) {
	looks := 0
	for ctx.Err() == nil {
		if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", granary)); err == nil && len(data) > 0 {
			looks++
		}
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			v.Error(err)
			return
		}
		for _, line := range lines {
			data, err := os.ReadFile(line)
			if err != nil {
				continue // it has ended
			}
			argv := strings.Split(string(data), "\x00")
			if mark := secretIn(data); mark != "" && filepath.Base(argv[0]) != "vmrun" && filepath.Base(argv[1]) != "vmrun" {
				v.Errorf("%s on the command line %q", mark, argv)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	v.looks += looks
}

// nowhere fails if a password is in any file, but for those that hold them for a
// purpose.
func (v *vault) nowhere() {
	v.Helper()
	searched := 0
	err := filepath.WalkDir(v.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && filepath.Dir(path) == v.dir && slices.Contains([]string{"passwords", "records", "vmware", "vms"}, e.Name()) {
			return filepath.SkipDir
		}
		if !e.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if mark := secretIn(data); mark != "" {
			v.Errorf("%s in %s", mark, path)
		}
		searched++
		return err
	})
	if err != nil || searched == 0 {
		v.Fatalf("%d files searched: %v", searched, err)
	}
}
