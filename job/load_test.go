package job

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"granary/capture"
	"granary/capture/host"
	"granary/capture/process"
)

// load reads a job file of the given text.
func load(t *testing.T, text string) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

// mustLoad returns the first job of a text.
func mustLoad(t *testing.T, text string) *Job {
	t.Helper()
	f, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return f.Jobs[0]
}

func TestLoadTheSmallestFile(t *testing.T) {
	f, err := load(t, "jobs: {nightly: {vms: [/vms/web/web.vmx]}}")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Jobs) != 1 || f.Jobs[0].Name != "nightly" || f.Jobs[0].File != f.Path {
		t.Fatalf("got %+v", f.Jobs)
	}
	want := Task{VM: "/vms/web/web.vmx", Quiesce: capture.StopSnapshot}
	if got := f.Jobs[0].selections[0].Task; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Settings of a VM go before those of its job, and both before the host's.
func TestSettingsLayOverEachOther(t *testing.T) {
	job := mustLoad(t, `
hosts:
  a: {deadlines: {start: 1m, stop: 2m, query: 3m}}
  b: {deadlines: {start: 10m}, type: server}
jobs:
  j:
    host: a
    quiesce: snapshot
    deadlines: {stop: 5m}
    script-deadline: 1m
    guest: {user: root, password-env: GUEST, freeze: [/f], thaw: [/t]}
    vm-before: [/before]
    vm-after: one
    vms:
      - /vms/plain
      - vm: /vms/other
        host: b
        quiesce: stop
        hard-stop: true
        deadlines: {stop: 6m, query: 7m}
        before: [/own]
        script-deadline: 2m
      - vm: /vms/guest
        guest: {user: admin}
`)
	plain, other, guest := job.selections[0].Task, job.selections[1].Task, job.selections[2].Task
	if want := (host.Deadlines{Start: time.Minute, Stop: 5 * time.Minute, Query: 3 * time.Minute}); plain.Host.Deadlines != want {
		t.Errorf("plain: deadlines %+v, want %+v", plain.Host.Deadlines, want)
	}
	if want := (host.Deadlines{Start: 10 * time.Minute, Stop: 6 * time.Minute, Query: 7 * time.Minute}); other.Host.Deadlines != want {
		t.Errorf("other: deadlines %+v, want %+v", other.Host.Deadlines, want)
	}
	if other.HostName != "b" || other.Host.Type != "server" || !other.HardStop || plain.HardStop {
		t.Errorf("other: %+v", other)
	}
	if plain.Quiesce != capture.Snapshot || !slices.Equal(plain.Freeze, []string{"/f"}) || !slices.Equal(plain.Thaw, []string{"/t"}) {
		t.Errorf("plain: %+v", plain)
	}
	if other.Quiesce != capture.Stop || other.Freeze != nil || other.Thaw != nil {
		t.Errorf("other keeps freeze and thaw of another method: %+v", other)
	}
	if guest.Host.Guest.User != "admin" || guest.Host.Guest.Env != "GUEST" || !slices.Equal(guest.Freeze, []string{"/f"}) {
		t.Errorf("guest: %+v", guest)
	}
	if want := (&Script{Program: []string{"/own"}, Deadline: 2 * time.Minute}); !reflect.DeepEqual(other.Before, want) {
		t.Errorf("other: before %+v, want %+v", other.Before, want)
	}
	if want := (&Script{Text: "one", Deadline: time.Minute}); !reflect.DeepEqual(plain.After, want) {
		t.Errorf("plain: after %+v, want %+v", plain.After, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	const one = "\njobs: {j: {vms: [/v]}}"
	for _, c := range []struct{ name, text, want string }{
		{"no jobs", "repo: /r", "the key jobs is missing"},
		{"empty jobs", "jobs: {}", "there is no job"},
		{"a job without VMs", "jobs: {j: {host: a}}\nhosts: {a: {}}", `the job "j" has no VMs`},
		{"a job with an empty list", "jobs: {j: {vms: []}}", `the job "j" has no VMs`},
		{"an unknown key", "jobs:\n  j:\n    vms: [/v]\n    verbose: true\n", `jobs.yaml:4:5: there is no key "verbose" here`},
		{"an unknown key of a VM", "jobs: {j: {vms: [{vm: /v, vm-before: [/x]}]}}", `there is no key "vm-before"`},
		{"an unknown key of a host", "hosts: {a: {adress: x}}" + one, `there is no key "adress"`},
		{"a vmrun that depends on the folder", "hosts: {a: {vmrun: bin/vmrun}}" + one, `vmrun "bin/vmrun": want an absolute path, or a name`},
		{"a vcbMounter that does", "hosts: {a: {vcbmounter: ./vcbMounter}}" + one, `vcbmounter "./vcbMounter": want an absolute path, or a name`},
		{"an unknown host", "jobs: {j: {host: nowhere, vms: [/v]}}", `there is no host "nowhere" under hosts`},
		{"an unknown host of a VM", "jobs: {j: {vms: [{vm: /v, host: nowhere}]}}", `there is no host "nowhere" under hosts`},
		{"a bad method", "jobs: {j: {quiesce: pause, vms: [/v]}}", `quiesce "pause": want stop-snapshot`},
		{"a bad method of a VM", "jobs: {j: {vms: [{vm: /v, quiesce: Stop}]}}", `quiesce "Stop": want stop-snapshot`},
		{"freeze without snapshot", "jobs: {j: {guest: {user: u, freeze: [/f]}, vms: [/v]}}", "freeze and thaw are for quiesce: snapshot"},
		{"freeze of a VM without snapshot", "jobs: {j: {vms: [{vm: /v, guest: {user: u, freeze: [/f]}}]}}", "freeze and thaw are for quiesce: snapshot"},
		{"freeze without a user", "jobs: {j: {quiesce: snapshot, guest: {freeze: [/f]}, vms: [/v]}}", "need the user"},
		{"a limit below zero", "limits: {parallel: -1}" + one, "not below zero"},
		{"a limit that is a text", "limits: {parallel-per-host: many}" + one, "want a whole number"},
		{"a bandwidth of another kind", "limits: {read-bandwidth: fast}" + one, "as 200MiB"},
		{"a bandwidth too low", "limits: {read-bandwidth: 200}" + one, "from 64KiB on"},
		{"a bandwidth below zero", "limits: {read-bandwidth: -5MiB}" + one, "as 200MiB"},
		{"an unknown deadline", "jobs: {j: {deadlines: {strat: 5m}, vms: [/v]}}", `there is no key "strat"`},
		{"a bad deadline", "jobs: {j: {deadline: soon, vms: [/v]}}", "want a time like"},
		{"a bad deadline of a host", "hosts: {a: {deadlines: {start: 5}}}" + one, "want a time like"},
		{"before is a number's list", "jobs: {j: {before: {a: b}, vms: [/v]}}", "want a list, a program and its arguments, or a text"},
		{"before is empty", "jobs: {j: {before: [], vms: [/v]}}", "the program is missing"},
		{"after is blank", "jobs: {j: {after: '  ', vms: [/v]}}", "the script is empty"},
		{"a program by a relative path", "jobs: {j: {before: [bin/x], vms: [/v]}}", "want an absolute path"},
		{"a bad driver", "hosts: {a: {driver: qemu}}" + one, `driver "qemu"`},
		{"a bad type", "hosts: {a: {type: server3}}" + one, `host type "server3"`},
		{"a relative datastore", "hosts: {a: {datastores: {ds: mnt}}}" + one, "an absolute folder"},
		{"two places for a password", "hosts: {a: {password-file: /p, password-env: P}}" + one, "both password-file and password-env"},
		{"two places for the VMs' password", "hosts: {a: {vm: {password-file: /p, password-env: P}}}" + one, "both password-file and password-env"},
		{"a relative password file", "hosts: {a: {password-file: p}}" + one, "want an absolute path"},
		{"a relative path", "jobs: {j: {vms: [vms/web]}}", "want an absolute path"},
		{"an unknown datastore", "jobs: {j: {vms: ['[ds1] web/web.vmx']}}", `where datastore "ds1" is mounted is not known`},
		{"an unknown datastore in a pattern", "jobs: {j: {vms: ['[ds1] */*.vmx']}}", `where datastore "ds1" is mounted is not known`},
		{"a VM without a path", "jobs: {j: {vms: [{name: web}]}}", "the VM is missing"},
		{"an empty path", "jobs: {j: {vms: ['']}}", "the VM is missing"},
		{"a VM that is a list", "jobs: {j: {vms: [[/v]]}}", "want a mapping"},
		{"a name for a pattern", "jobs: {j: {vms: [{vm: /vms/*, name: web}]}}", "one name cannot be for all"},
		{"a name that is no folder's", "jobs: {j: {vms: [{vm: /v, name: a/b}]}}", "holds a slash"},
		{"a vmx without vcb", "jobs: {j: {vms: [{vm: /v, vmx: /w}]}}", "vmx is for hosts with driver vcb"},
		{"files that are stopped", "hosts: {a: {driver: files}}\njobs: {j: {host: a, quiesce: stop, vms: [/v]}}", "cannot stop a VM"},
		{"a path for vcb", "hosts: {a: {driver: vcb, address: x, export-dir: /e}}\njobs: {j: {host: a, quiesce: snapshot, vms: [/v]}}", "want name:NAME"},
		{"vcb that has to stop what it cannot name", "hosts: {a: {driver: vcb, address: x, export-dir: /e}}\njobs: {j: {host: a, vms: ['name:web']}}", "vmrun needs its vmx"},
		{"a retention that keeps nothing", "jobs: {j: {retention: {keep-last: 0}, vms: [/v]}}", "keeps no generation"},
		{"a retention below zero", "jobs: {j: {retention: {keep-daily: -3}, vms: [/v]}}", "not below zero"},
		{"a host without a name", "hosts: {'': {}}" + one, "a host needs a name"},
		{"a job without a name", "jobs: {'': {vms: [/v]}}", "a job needs a name"},
		{"a job twice", "jobs:\n  j: {vms: [/v]}\n  j: {vms: [/w]}\n", "jobs.yaml:3:3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "jobs.yaml:") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestLoadTellsAllProblemsAtOnce(t *testing.T) {
	_, err := load(t, "limits: {parallel: -1}\nhosts: {a: {driver: x}}\njobs:\n  j: {host: b, vms: [v, w]}\n  k: {vms: []}\n")
	if err == nil || strings.Count(err.Error(), "jobs.yaml:") != 6 {
		t.Errorf("want six problems, got:\n%v", err)
	}
}

func TestLoadNeedsAFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestJobByName(t *testing.T) {
	f, err := load(t, "jobs: {one: {vms: [/v]}, two: {vms: [/w]}}")
	if err != nil {
		t.Fatal(err)
	}
	if j, err := f.Job("two"); err != nil || j != f.Jobs[1] {
		t.Errorf("two: %v, %v", j, err)
	}
	if _, err := f.Job("three"); !errors.Is(err, ErrNoJob) || !strings.Contains(err.Error(), "one, two") {
		t.Errorf("three: %v", err)
	}
}

// A script runs before any driver reads its password: it must not find it in its
// environment all the same.
func TestVariablesWithPasswordsAreHidden(t *testing.T) {
	for _, name := range []string{"D_HOST", "D_VM", "D_GUEST"} {
		t.Setenv(name, "hunter2")
	}
	mustLoad(t, "hosts: {a: {password-env: D_HOST, vm: {password-env: D_VM}}}\njobs: {j: {guest: {user: u, password-env: D_GUEST}, vms: [/v]}}")
	for _, entry := range process.Environment() {
		if strings.Contains(entry, "hunter2") {
			t.Errorf("scripts see %s", entry)
		}
	}
}

// The example in the docs is whole: it loads, and has every key there is.
func TestExampleExplainsEveryKey(t *testing.T) {
	f, err := Load("../docs/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Jobs) != 3 || f.Jobs[0].Name != "nightly" || f.Jobs[0].Limits.Host["workshop"] != 2 || f.Jobs[0].Limits.ReadBytes != 200<<20 {
		t.Errorf("the example is read as %+v", f.Jobs[0])
	}
	text, err := os.ReadFile("../docs/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if key, _, ok := strings.Cut(strings.TrimLeft(line, " -"), ":"); ok {
			keys[key] = true
		}
	}
	known := knownKeys(reflect.TypeFor[fileKeys](), reflect.TypeFor[hostKeys](), reflect.TypeFor[jobKeys](), reflect.TypeFor[vmKeys]())
	if len(known) < 50 {
		t.Fatalf("only %d keys are known: %q", len(known), known)
	}
	for _, key := range known {
		if !keys[key] {
			t.Errorf("the example does not show the key %s", key)
		}
	}
}

// knownKeys are the keys of all structs that a job file is read into.
func knownKeys(types ...reflect.Type) (keys []string) {
	for _, of := range types {
		if of.Kind() != reflect.Struct {
			continue
		}
		for i := range of.NumField() {
			tag, ok := of.Field(i).Tag.Lookup("yaml")
			if ok && tag != ",inline" && tag != "-" {
				keys = append(keys, tag)
			}
			if ok {
				keys = append(keys, knownKeys(of.Field(i).Type)...)
			}
		}
	}
	return keys
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("../docs/jobs.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, seed := range []string{
		"jobs: {j: {vms: [/v]}}", "hosts: &h {a: &a {driver: vcb}, b: *a}\njobs: {j: {vms: ['name:x', {vm: '[d] x', <<: *h}]}}",
		"jobs: {j: {before: |\n  x\n, vms: ['[']}}", "limits: {read-bandwidth: 1MiB}\njobs: {j: {retention: {keep-within: 30d}, vms: [/a*]}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("/jobs.yaml", data)
		if err != nil {
			return
		}
		for _, j := range file.Jobs {
			if j.Name == "" || len(j.selections) == 0 {
				t.Errorf("a job without a name or VMs was taken: %+v", j)
			}
			for _, s := range j.selections {
				if s.VM == "" || !slices.Contains(capture.Methods, s.Quiesce) || s.Deadline < 0 {
					t.Errorf("this was taken: %+v", s)
				}
			}
		}
	})
}
