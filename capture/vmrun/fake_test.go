package vmrun

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The fake vmrun is this test binary under the name vmrun. Beside that name lie
// its script and the record of its calls, so that parallel tests do not meet.

// step is what the fake does when a verb is called.
type step struct {
	Out, Err   []byte
	Exit       int
	Hang       bool   // after Out and Err, and deaf to SIGTERM
	Sleep      int    // milliseconds before it ends
	Grandchild bool   // leaves a process behind that holds its pipes
	Prompt     bool   // reads an answer before it goes on
	Touch      string // file written right before it ends
}

// script is the steps of each verb in order; the last one stays.
type script map[string][]step

func TestMain(m *testing.M) {
	if strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe") == "vmrun" {
		os.Exit(fakeMain())
	}
	// Under the race detector a program sleeps a second before it exits, and
	// the fake is run some hundred times.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	// The tests wait for processes more than they compute.
	flag.Set("test.parallel", "6")
	os.Exit(m.Run())
}

func fakeMain() int {
	dir := filepath.Dir(os.Args[0])
	verb := "version"
	for i := 1; i < len(os.Args); i += 2 {
		if !strings.HasPrefix(os.Args[i], "-") {
			verb = os.Args[i]
			break
		}
	}
	n := record(dir, verb)
	raw, err := os.ReadFile(filepath.Join(dir, "script.json"))
	if err != nil {
		panic(err)
	}
	var s script
	if err := json.Unmarshal(raw, &s); err != nil {
		panic(err)
	}
	steps := s[verb]
	if len(steps) == 0 {
		io.WriteString(os.Stdout, "Error: Unrecognized command: "+verb+"\n")
		return 255
	}
	return play(dir, steps[min(n, len(steps))-1])
}

// play does one step and returns its exit status.
func play(dir string, s step) int {
	if s.Hang {
		signal.Ignore(syscall.SIGTERM)
	}
	if s.Prompt {
		io.WriteString(os.Stdout, "Password: ")
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err == nil {
			io.WriteString(os.Stdout, "thank you\n")
			return 0
		}
	}
	os.Stdout.Write(s.Out)
	os.Stderr.Write(s.Err)
	if s.Grandchild {
		child := exec.Command("sleep", "60")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		os.WriteFile(filepath.Join(dir, "grandchild"), []byte(strconv.Itoa(child.Process.Pid)), 0o600)
	}
	if s.Hang {
		time.Sleep(time.Minute)
	}
	time.Sleep(time.Duration(s.Sleep) * time.Millisecond)
	if s.Touch != "" {
		os.WriteFile(s.Touch, nil, 0o600)
	}
	return s.Exit
}

// fakeCall is one recorded call.
type fakeCall struct {
	Verb string
	Args []string `json:"-"`
	Raw  [][]byte // Args: JSON would mend what is no UTF-8
	Dir  string
	Pid  int
	Fds  []string
}

// record notes the call and returns how many there were of this verb.
func record(dir, verb string) int {
	c := fakeCall{Verb: verb, Pid: os.Getpid(), Fds: inheritedFds()}
	for _, arg := range os.Args[1:] {
		c.Raw = append(c.Raw, []byte(arg))
	}
	c.Dir, _ = os.Getwd()
	line, _ := json.Marshal(c)
	f, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	f.Write(append(line, '\n'))
	n := 0
	for _, c := range readCalls(dir) {
		if c.Verb == verb {
			n++
		}
	}
	return n
}

// inheritedFds names the descriptors beyond the standard three that came with
// the process. The runtime's own are recognised by close-on-exec.
func inheritedFds() []string {
	var fds []string
	entries, _ := os.ReadDir("/proc/self/fdinfo")
	for _, e := range entries {
		if fd, _ := strconv.Atoi(e.Name()); fd < 3 {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + e.Name())
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(info)) {
			if flags, ok := strings.CutPrefix(line, "flags:"); ok {
				bits, _ := strconv.ParseInt(strings.TrimSpace(flags), 8, 64)
				if bits&0o2000000 == 0 {
					fds = append(fds, e.Name())
				}
			}
		}
	}
	return fds
}

func readCalls(dir string) []fakeCall {
	raw, _ := os.ReadFile(filepath.Join(dir, "calls"))
	var calls []fakeCall
	for line := range strings.Lines(string(raw)) {
		var c fakeCall
		if json.Unmarshal([]byte(line), &c) == nil {
			for _, arg := range c.Raw {
				c.Args = append(c.Args, string(arg))
			}
			calls = append(calls, c)
		}
	}
	return calls
}

// fake is a Client whose vmrun follows a script.
type fake struct {
	*Client
	dir string
	vmx string
}

func newFake(t *testing.T, s script) *fake {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "vmrun"+filepath.Ext(self))
	if filepath.Ext(self) == ".test" {
		program = filepath.Join(dir, "vmrun")
	}
	if err := os.Symlink(self, program); err != nil {
		t.Fatalf("no fake vmrun without symbolic links: %v", err)
	}
	t.Cleanup(func() { killGrandchild(dir) })
	f := &fake{
		Client: &Client{
			Program: program, HostType: "ws",
			pace: pace{first: time.Millisecond, most: 5 * time.Millisecond, grace: 200 * time.Millisecond, poll: 5 * time.Millisecond},
		},
		dir: dir,
	}
	f.vmx = f.file(t, filepath.Join("busy, in use", "web.vmx"))
	f.rewrite(t, s)
	return f
}

// file makes an empty file below the fake's folder, and its folders.
func (f *fake) file(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// lastArgs returns the arguments of the last call.
func (f *fake) lastArgs() []string {
	calls := readCalls(f.dir)
	return calls[len(calls)-1].Args
}

// rewrite gives the fake another script.
func (f *fake) rewrite(t *testing.T, s script) {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "script.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func killGrandchild(dir string) {
	raw, err := os.ReadFile(filepath.Join(dir, "grandchild"))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(string(raw)); err == nil {
		if p, err := os.FindProcess(pid); err == nil {
			p.Kill()
		}
	}
}

// verbs returns the verbs called, in order.
func (f *fake) verbs() string {
	var v []string
	for _, c := range readCalls(f.dir) {
		v = append(v, c.Verb)
	}
	return strings.Join(v, " ")
}

// says is a step that prints out and succeeds.
func says(out string) step { return step{Out: []byte(out)} }

// fails is a step that prints what vmrun prints for message.
func fails(message string) step {
	return step{Out: []byte("Error: " + message + "\n"), Exit: 255}
}

// lists is the list of the given machines.
func lists(vmx ...string) step {
	return says("Total running VMs: " + strconv.Itoa(len(vmx)) + "\n" + strings.Join(append(vmx, ""), "\n"))
}

// snapshots is the list of the given snapshots.
func snapshots(names ...string) step {
	return says("Total snapshots: " + strconv.Itoa(len(names)) + "\n" + strings.Join(append(names, ""), "\n"))
}
