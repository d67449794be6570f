package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"granary/integration/standin"
)

// Each password begins with what is searched for. They hold what would tear a
// command line, a log or JSON that is put together by hand.
const (
	secretOfHost  = `hostS3cret "x" 'y' $(id) %s\n ß`
	secretOfVM    = `vmS3cret "x" 'y' ;id`
	secretOfGuest = `guestS3cret <&> {}`
	wrongSecret   = `wrongS3cret "x"`
)

var secretMarks = []string{"hostS3cret", "vmS3cret", "guestS3cret", "wrongS3cret"}

// Passwords are on vmrun's command line, where a call needs them, and nowhere
// else.
func TestSecrets(t *testing.T) {
	for _, source := range []string{"file", "environment"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			v := newVault(t, source)
			v.wellAndIll()
			v.interruptedAndRecovered()
			v.asAJob()
			v.told()
			v.nowhere()
			v.onlyWhereNeeded()
			if v.looks == 0 {
				t.Error("granary's command line was never seen")
			}
		})
	}
}

// captureFlags are those for the vault's VM, but for passwords.
var captureFlags = []string{"capture", "-v", "--settle", "1s", "--vmrun-type", "esx", "--host", "esx1", "--user", "root", "--guest-user", "root"}

func (v *vault) captureBy(wrong string, args ...string) outcome {
	v.Helper()
	flags, variables := v.passwords(wrong)
	args = slices.Concat(captureFlags, []string{"--datastore", "ds=" + v.path("vms")}, flags, args, []string{"[ds] web/web.vmx"})
	return v.quietly(variables, args...)
}

// ills are all ways in which a call goes wrong.
var ills = []struct {
	about  string
	wrong  string // whose password
	method string
	well   bool // it is only a remark
	fault  standin.Fault
}{
	{about: "the host's password is wrong", wrong: "host"},
	{about: "the VM's password is wrong", wrong: "vm"},
	{about: "the guest's password is wrong", wrong: "guest", method: "freeze"},
	{about: "a prompt", fault: standin.Fault{Verb: "stop", Do: standin.Prompt}},
	{about: "a hang", fault: standin.Fault{Verb: "snapshot", Do: standin.Hang}},
	{about: "the version echoes", well: true, fault: standin.Fault{Verb: "version", Do: standin.Fail}},
	{about: "list echoes", fault: standin.Fault{Verb: "list", Do: standin.Fail}},
	{about: "stop echoes", fault: standin.Fault{Verb: "stop", Do: standin.Fail}},
	{about: "suspend echoes", method: "suspend", fault: standin.Fault{Verb: "suspend", Do: standin.Fail}},
	{about: "snapshot echoes, with exit 0", fault: standin.Fault{Verb: "snapshot", Do: standin.Fail, Exit: new(int)}},
	{about: "start echoes", well: true, fault: standin.Fault{Verb: "start", Do: standin.Fail, Call: 1}},
	{about: "deleteSnapshot echoes, with CRLF", fault: standin.Fault{Verb: "deleteSnapshot", Do: standin.Fail, CRLF: true}},
	{about: "listSnapshots echoes", fault: standin.Fault{Verb: "listSnapshots", Do: standin.Fail, Call: 1}},
	{about: "freeze echoes", method: "freeze", fault: standin.Fault{Verb: "runProgramInGuest", Do: standin.Fail}},
	{about: "an echo in UTF-16", fault: standin.Fault{Verb: "stop", Do: standin.Fail, UTF16: true}},
	{about: "an echo in Latin-1", fault: standin.Fault{Verb: "stop", Do: standin.Fail, Latin1: true}},
	{about: "an echo among noise", fault: standin.Fault{Verb: "stop", Do: standin.Fail, Noise: echoOfAll, NoiseAfter: echoOfAll}},
	{about: "noise where all is well", well: true, fault: standin.Fault{Verb: "*", Noise: echoOfAll, NoiseAfter: echoOfAll}},
}

// echoOfAll is a command line as a program may print it.
const echoOfAll = "vmrun -T esx -h esx1 -u root -p " + secretOfHost + " -vp " + secretOfVM + " -gu root -gp " + secretOfGuest + " list"

func (v *vault) wellAndIll() {
	v.Helper()
	frozen := []string{"--quiesce", "snapshot", "--freeze", "/freeze", "--thaw", "/thaw"}
	for _, args := range [][]string{{}, {"--json", "--quiesce", "stop"}, {"--quiesce", "suspend"}, {"--dry-run"}, {"--json", "--dry-run"}, frozen} {
		if o := v.captureBy("", args...); o.status != 0 {
			v.Fatalf("capture %q: exit status %d\n%s", args, o.status, o.stderr)
		}
	}
	for _, ill := range ills {
		if ill.fault.Do == standin.Fail {
			ill.fault.Text = "Error: cannot run " + echoOfAll
		}
		if err := v.vmware.SetFaults(ill.fault); err != nil {
			v.Fatal(err)
		}
		args := []string{"--json", "--deadline", "snapshot=1s"}
		switch ill.method {
		case "freeze":
			args = append(args, frozen...)
		case "suspend":
			args = append(args, "--quiesce", "suspend")
		}
		o := v.captureBy(ill.wrong, args...)
		if ill.well != (o.status == 0) {
			v.Errorf("%s: exit status %d\n%s%s", ill.about, o.status, o.stdout, o.stderr)
		}
		if ill.fault.Do == standin.Fail && !strings.Contains(o.stderr, "cannot run vmrun -T esx -h esx1 -u root -p ***") {
			v.Errorf("%s: not said, or not blotted out:\n%s", ill.about, o.stderr)
		}
		v.nowhere()
		if err := v.vmware.SetFaults(); err != nil {
			v.Fatal(err)
		}
		v.recovered()
	}
}

// recovered lets recover bring the VM back, by the passwords that its capture
// was given.
func (v *vault) recovered() {
	v.Helper()
	_, variables := v.passwords("")
	if o := v.quietly(variables, "recover", "-v", "--json"); o.status != 0 {
		v.Fatalf("recover: exit status %d\n%s", o.status, o.stderr)
	}
	v.runsWithoutOurs(v.vm.VMX)
}

// interruptedAndRecovered kills granary with the guest down: the journal says
// where the passwords are, and none of them.
func (v *vault) interruptedAndRecovered() {
	v.Helper()
	if err := v.vmware.SetFaults(standin.Fault{Verb: "start", Do: standin.Hang}); err != nil {
		v.Fatal(err)
	}
	flags, variables := v.passwords("")
	args := slices.Concat(captureFlags, []string{"--datastore", "ds=" + v.path("vms")}, flags, []string{"[ds] web/web.vmx"})
	hanging := 0
	v.interrupted(func() bool {
		calls, err := v.vmware.Calls()
		if err != nil || len(calls) == 0 {
			return false
		}
		last := calls[len(calls)-1]
		hanging = last.PID
		return last.Verb == "start" && last.End.IsZero()
	}, variables, args...)
	if err := syscall.Kill(hanging, syscall.SIGKILL); err != nil {
		v.Error(err)
	}
	if err := v.vmware.SetFaults(); err != nil {
		v.Fatal(err)
	}
	journals, err := filepath.Glob(v.path("state", "journals", "*.journal"))
	if err != nil || len(journals) != 1 {
		v.Fatalf("journals: %q, %v", journals, err)
	}
	v.nowhere()
	if o := v.quietly(variables, "status", "-v"); o.status != 3 {
		v.Errorf("status: exit status %d\n%s", o.status, o.stderr)
	}
	v.recovered()
}

// asAJob runs a job whose scripts print all that they know, and one that fails.
func (v *vault) asAJob() {
	v.Helper()
	place := func(of string) string {
		if v.source == "file" {
			return "password-file: " + v.path("passwords", of)
		}
		return "password-env: OPERATORS_" + strings.ToUpper(of)
	}
	script := `"env >$SCRIPTS/$GRANARY_PHASE.$GRANARY_JOB; cat /proc/$PPID/cmdline >$SCRIPTS/parent.$GRANARY_JOB; env"`
	jobs := "hosts: {esx: {type: esx, address: esx1, user: root, " + place("host") + ", vm: {" + place("vm") + "}, datastores: {ds: " + v.path("vms") + "}}}\n"
	for _, job := range []string{"well", "ill"} {
		if jobs += "jobs:\n"; job == "ill" {
			jobs = strings.TrimSuffix(jobs, "jobs:\n")
		}
		jobs += "  " + job + ":\n    host: esx\n    quiesce: snapshot\n    guest: {user: root, " + place("guest") + ", freeze: [/freeze], thaw: [/thaw]}\n"
		for _, phase := range []string{"before", "after", "vm-before", "vm-after"} {
			text := script
			if job == "ill" && phase == "vm-after" {
				text = `"env; env >&2; exit 1"`
			}
			jobs += "    " + phase + ": " + text + "\n"
		}
		jobs += "    vms: [\"[ds] web/web.vmx\"]\n"
	}
	if err := os.WriteFile(v.path("jobs.yaml"), []byte(jobs), 0o644); err != nil {
		v.Fatal(err)
	}
	variables := []string{"OPERATORS_HOST=" + secretOfHost, "OPERATORS_VM=" + secretOfVM, "OPERATORS_GUEST=" + secretOfGuest}
	if v.source == "file" {
		variables = nil
	}
	v.quietly(variables, "run", "--check", "-v", "--config", v.path("jobs.yaml"))
	for job, want := range map[string]int{"well": 0, "ill": 3} {
		o := v.quietly(variables, "run", "-v", "--json", "--config", v.path("jobs.yaml"), "--metrics", v.path("granary.prom"), job)
		if o.status != want {
			v.Errorf("job %s: exit status %d\n%s%s", job, o.status, o.stdout, o.stderr)
		}
	}
	for _, phase := range []string{"job-before", "vm-before", "vm-after", "job-after"} {
		if data, err := os.ReadFile(v.path("scripts", phase+".well")); err != nil || !strings.Contains(string(data), "GRANARY_PHASE="+phase) {
			v.Errorf("the script %s: %v\n%s", phase, err, data)
		}
	}
}

// told lets every command tell all that it knows.
func (v *vault) told() {
	v.Helper()
	_, variables := v.passwords("")
	var list []captured
	if err := json.Unmarshal([]byte(v.quietly(variables, "list", "--json").stdout), &list); err != nil || len(list) < 4 {
		v.Fatalf("%d generations: %v", len(list), err)
	}
	for _, c := range list {
		if o := v.quietly(variables, "show", "--json", c.VM+"@"+c.Generation); !strings.Contains(o.stdout, `"driver"`) {
			v.Errorf("show tells no facts: %s", o.stdout)
		}
	}
	for _, args := range [][]string{{"list", "-v"}, {"status", "-v"}, {"status", "--json"}, {"show", "-v", "web"}, {"stats", "--json"}, {"check", "-v"}} {
		v.quietly(variables, args...)
	}
	mount := v.mount()
	if o := v.run("sh", "-c", `cd "$1" && find . -type f -size -1024k -exec cat {} + && find . | cat && grep -r S3cret . | head -3`, "sh", mount); secretIn([]byte(o.stdout)) != "" {
		v.Errorf("%s in the mount", secretIn([]byte(o.stdout)))
	}
}

// onlyWhereNeeded looks at each command line and each environment that vmrun
// had.
func (v *vault) onlyWhereNeeded() {
	v.Helper()
	records, err := filepath.Glob(v.path("records", "*.environ"))
	if err != nil {
		v.Fatal(err)
	}
	given := map[string]int{}
	for _, record := range records {
		environment, err := os.ReadFile(record)
		if mark := secretIn(environment); err != nil || len(environment) == 0 || mark != "" {
			v.Errorf("vmrun's environment: %q, %v", mark, err)
		}
		line, err := os.ReadFile(strings.TrimSuffix(record, ".environ"))
		if err != nil {
			v.Fatal(err)
		}
		// The interpreter and the script stand before the arguments.
		argv := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		argv = argv[min(2, len(argv)):]
		flags := map[string]string{}
		for len(argv) > 1 && strings.HasPrefix(argv[0], "-") {
			flags[argv[0]], argv = argv[1], argv[2:]
		}
		verb := append(argv, "version")[0]
		if mark := secretIn([]byte(strings.Join(argv, "\x00"))); mark != "" {
			v.Errorf("%s behind the flags: %q", mark, argv)
		}
		opens, remote, inGuest := verb != "version" && verb != "list", verb != "version", verb == "runProgramInGuest"
		for flag, needed := range map[string]bool{"-p": remote, "-vp": opens, "-gp": inGuest} {
			if (flags[flag] != "") != needed {
				v.Errorf("vmrun %s: %s given: %t, needed: %t", verb, flag, flags[flag] != "", needed)
			}
			if flags[flag] != "" {
				given[flag]++
			}
			delete(flags, flag)
		}
		if mark := secretIn(fmt.Append(nil, flags)); mark != "" {
			v.Errorf("%s in another flag: %q", mark, flags)
		}
	}
	if given["-p"] == 0 || given["-vp"] == 0 || given["-gp"] == 0 {
		v.Errorf("passwords were given %v times in %d calls", given, len(records))
	}
}

// A local product gets no password of a host, even if there is one.
func TestNoHostSecretForLocalVMs(t *testing.T) {
	v := newVault(t, "environment")
	_, variables := v.passwords("")
	for _, product := range []string{"ws", "player", "fusion"} {
		v.quietly(variables, "capture", "--vmrun-type", product, "--user", "root", "--quiesce", "snapshot", v.vm.VMX)
	}
	lines, err := filepath.Glob(v.path("records", "*.environ"))
	if err != nil || len(lines) < 3 {
		t.Fatalf("%d calls, %v", len(lines), err)
	}
	for _, record := range lines {
		line, err := os.ReadFile(strings.TrimSuffix(record, ".environ"))
		if err != nil || bytes.Contains(line, []byte("hostS3cret")) || bytes.Contains(line, []byte("\x00-p\x00")) || bytes.Contains(line, []byte("guestS3cret")) {
			t.Errorf("vmrun was called as %q, %v", line, err)
		}
	}
}
