package vcb

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The fake programs are this test binary under their names. Beside them lie
// their script and the record of their calls, so that parallel tests do not
// meet.

// step is what a fake does when it is called.
type step struct {
	Out, Err string
	Exit     int
	Hang     bool // after Out and Err, and deaf to SIGTERM
	Prompt   bool // reads an answer before it goes on
	Export   bool // makes the directory behind -r, with a catalog
}

// script is the step of each program, "vcbSnapshot", or of one use that it is
// put to, "vcbSnapshot -d".
type script map[string]step

// of returns the step for a call.
func (s script) of(name string, args []string) step {
	for _, arg := range args {
		if special, ok := s[name+" "+arg]; ok {
			return special
		}
	}
	return s[name]
}

func TestMain(m *testing.M) {
	switch name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"); name {
	case mounter, nameFinder, snapshotTool:
		os.Exit(fakeMain(name))
	}
	// Under the race detector a program sleeps a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

func fakeMain(name string) int {
	dir := filepath.Dir(os.Args[0])
	record(dir, name)
	raw, err := os.ReadFile(filepath.Join(dir, "script.json"))
	if err != nil {
		panic(err)
	}
	var s script
	if err := json.Unmarshal(raw, &s); err != nil {
		panic(err)
	}
	return play(s.of(name, os.Args[1:]))
}

// play does one step and returns its exit status.
func play(s step) int {
	if s.Hang {
		signal.Ignore(syscall.SIGTERM)
	}
	if s.Prompt {
		io.WriteString(os.Stdout, "Password: ")
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err == nil {
			return 0
		}
	}
	io.WriteString(os.Stdout, s.Out)
	io.WriteString(os.Stderr, s.Err)
	if s.Export {
		for i, arg := range os.Args {
			if arg == "-r" {
				export(os.Args[i+1])
			}
		}
	}
	if s.Hang {
		time.Sleep(time.Minute)
	}
	return s.Exit
}

// export makes the smallest directory that counts as an export.
func export(dir string) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, catalogName), []byte("host= \"esx1\"\n"), 0o600); err != nil {
		panic(err)
	}
}

// fakeCall is one recorded call.
type fakeCall struct {
	Program string
	Args    [][]byte // JSON keeps bytes, not text
}

func record(dir, name string) {
	c := fakeCall{Program: name}
	for _, arg := range os.Args[1:] {
		c.Args = append(c.Args, []byte(arg))
	}
	line, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "calls"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	f.Write(append(line, '\n'))
}

// fake is a Client whose programs follow a script.
type fake struct {
	*Client
	home string // of the programs
	dir  string // to export to
}

func newFake(t *testing.T, s script) *fake {
	t.Helper()
	home := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	suffix := ""
	if filepath.Ext(self) == ".exe" {
		suffix = ".exe"
	}
	for name := range s {
		if strings.Contains(name, " ") {
			continue
		}
		if err := os.Symlink(self, filepath.Join(home, name+suffix)); err != nil {
			t.Fatalf("no fakes without symbolic links: %v", err)
		}
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "script.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return &fake{
		Client: &Client{Program: filepath.Join(home, mounter+suffix), pace: pace{grace: 200 * time.Millisecond, poll: 5 * time.Millisecond}},
		home:   home, dir: filepath.Join(t.TempDir(), "export"),
	}
}

// calls returns each call as its program and arguments.
func (f *fake) calls(t *testing.T) [][]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.home, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range strings.Lines(string(raw)) {
		var c fakeCall
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		call := []string{c.Program}
		for _, arg := range c.Args {
			call = append(call, string(arg))
		}
		all = append(all, call)
	}
	return all
}
