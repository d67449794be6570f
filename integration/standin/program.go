//go:build linux

package standin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"granary/integration/standin/machine"
)

// call is one run of the program.
type call struct {
	state    *State
	settings Settings
	line     commandLine
	fault    Fault
	remote   *RemoteHost // that is logged in to
	vm       *vm         // nil for a command without a .vmx
	lock     *os.File    // on vm, while withMachine works
	stdin    io.Reader
	terminal io.Writer       // standard output, for what is printed at once
	out      strings.Builder // what is printed at the end
}

// Called tells whether this process was started by a name of the program: as
// vmrun, or as the vmware-vmx that vmrun starts its own binary as. A test binary
// that asks first thing in TestMain, and then does nothing but Main, needs no
// other program.
func Called() bool {
	name := filepath.Base(os.Args[0])
	return name == "vmrun" || name == hostName
}

// Main is the program vmrun: it carries out args and returns the exit code. A
// binary that has it for a main function runs machines, too: it starts itself
// again as the process of each. Everything is printed on stdout, as by vmrun.
func Main(args []string, stdin io.Reader, stdout io.Writer) int {
	if len(args) == 3 && args[0] == hostVerb {
		return hostMain(args[1], args[2])
	}
	state, err := stateOfEnvironment()
	if err != nil {
		fmt.Fprintf(stdout, "Error: %v\n", err)
		return exitFailure
	}
	c := &call{state: state, line: parseCommandLine(args), stdin: stdin, terminal: stdout}
	return c.run(args)
}

// stateOfEnvironment is the state that whoever called a program has named.
func stateOfEnvironment() (*State, error) {
	dir := os.Getenv(StateVariable)
	if dir == "" {
		return nil, fmt.Errorf("%s is not set", StateVariable)
	}
	return New(dir)
}

// run carries out the call. What is logged as begun has its fault.
func (c *call) run(args []string) int {
	start := callEvent{Event: "start", Verb: c.line.name(), VMX: octets(c.line.vmx),
		Type: c.line.hostType, Host: octets(c.line.host), Args: blotted(args)}
	unprepared := c.prepare()
	return c.logged(start, asFailure, func() error {
		if unprepared != nil {
			return unprepared
		}
		err := c.work()
		if err != nil {
			c.out.Reset() // vmrun says nothing beside its error
		}
		return err
	})
}

// logged logs a call around its work, and prints what comes of it.
func (c *call) logged(start callEvent, judge func(error) failure, work func() error) int {
	err := c.state.logCall(start)
	if err == nil {
		err = work()
	}
	code, detail := 0, ""
	if err != nil {
		detail = err.Error()
		f := judge(err)
		c.out.WriteString(f.text)
		code = f.code
	}
	if _, err := io.WriteString(c.terminal, c.fault.disguise(c.out.String())); err != nil {
		code = exitFailure
	}
	end := callEvent{Event: "end", Verb: start.Verb, VMX: start.VMX, Exit: &code, Detail: detail}
	if err := c.state.logCall(end); err != nil {
		return exitFailure
	}
	return code
}

// prepare reads the settings and takes the fault that is meant for the call.
func (c *call) prepare() (err error) {
	if c.settings, err = c.state.settings(); err != nil {
		return err
	}
	if c.fault, err = c.state.nextFault(c.line); err != nil {
		return err
	}
	c.fault.deafen()
	return nil
}

// work carries out the call with its fault.
func (c *call) work() error {
	if err := delay(c.fault.DelayBefore); err != nil {
		return err
	}
	if err := c.strike(Before); err != nil {
		return err
	}
	err := c.command()
	if err := delay(c.fault.DelayAfter); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return c.strike(After)
}

func (c *call) command() error {
	if c.line.verb == "" {
		return failure{usage, exitFailure}
	}
	wantsVMX, known := verbs[c.line.verb]
	if !known {
		return failure{"Unrecognized command: " + c.line.verb + "\n" + usage, exitFailure}
	}
	if c.line.hostType != "" && !slices.Contains(hostTypes, c.line.hostType) {
		return errUnreachable
	}
	if wantsVMX && c.line.vmx == "" {
		return failure{usage, exitFailure}
	}
	if err := c.connect(); err != nil {
		return err
	}
	if c.isTeam() && slices.Contains(teamVerbs, c.line.verb) {
		return c.eachMember()
	}
	if wantsVMX {
		if err := c.findVM(); err != nil {
			return err
		}
	}
	if c.line.misplacedFlag() {
		return c.prompt("Guest user: ", guestLoginRefusal)
	}
	return c.dispatch()
}

func (c *call) dispatch() error {
	switch c.line.verb {
	case "list":
		return c.list()
	case "listRegisteredVM":
		return c.listRegistered()
	case "runProgramInGuest":
		return c.runInGuest(0)
	case "runScriptInGuest":
		return c.runInGuest(1)
	case "fileExistsInGuest":
		return c.fileExistsInGuest()
	case "listSnapshots":
		return c.listSnapshots()
	case "checkToolsState":
		return c.checkToolsState()
	case "getGuestIPAddress":
		return c.guestIPAddress()
	case "pause":
		return c.tell(request{Do: doPause})
	case "unpause":
		return c.tell(request{Do: doUnpause})
	}
	return c.withMachine(func(m *machine.Machine) error {
		switch c.line.verb {
		case "start":
			return c.start(m)
		case "stop":
			return c.stop(m)
		case "suspend":
			return c.suspend(m)
		case "reset":
			return c.reset(m)
		case "snapshot":
			return c.snapshot(m)
		case "revertToSnapshot":
			return c.revertToSnapshot(m)
		case "deleteSnapshot":
			return c.deleteSnapshot(m)
		}
		return errors.New("a command without a function")
	})
}

// findVM opens the .vmx that the call names, as far as vmrun checks it for
// every command.
func (c *call) findVM() error {
	cannot := func(reason string) error {
		return refuse(fmt.Sprintf("Cannot open VM: %s, %s", c.line.vmx, reason))
	}
	path, err := c.hostPath(c.line.vmx)
	if err != nil {
		return cannot("The virtual machine cannot be found")
	}
	if !strings.EqualFold(filepath.Ext(path), ".vmx") {
		return cannot("unknown file suffix")
	}
	c.vm, err = c.state.vm(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cannot("The virtual machine cannot be found")
	}
	if err != nil {
		return err
	}
	m, err := machine.Open(path, "")
	if err != nil {
		return cannot("Cannot read the virtual machine configuration file")
	}
	if _, encrypted := m.Config().Lookup("encryption.keySafe"); encrypted {
		switch c.line.vmPassword {
		case c.settings.VMPassword:
		case "":
			return cannot("A password is required for this operation")
		default:
			return cannot("Incorrect password")
		}
	}
	return nil
}

// withMachine calls work with the machine locked, and repaired if a call before
// was killed.
func (c *call) withMachine(work func(*machine.Machine) error) error {
	lock, err := c.vm.lock(!c.fault.BusyFails)
	if err != nil {
		return err
	}
	defer lock.Close()
	c.lock = lock
	m, err := c.vm.open(lock)
	if err != nil {
		return err
	}
	if err := work(m); err != nil {
		c.vm.log("vmx", fmt.Sprintf("Msg_Post: Error: %s: %v", c.line.verb, err))
		return err
	}
	c.vm.log("vmx", "done: "+c.line.verb)
	return nil
}

// tell asks the running guest for something that needs no more.
func (c *call) tell(q request) error {
	return c.withMachine(func(*machine.Machine) error {
		if !c.vm.alive() {
			return c.notPoweredOn()
		}
		_, err := c.vm.ask(q)
		return err
	})
}

func (c *call) notPoweredOn() error {
	if c.fault.NoPath {
		return refuse("The virtual machine is not powered on")
	}
	return refuse("The virtual machine is not powered on: " + c.line.vmx)
}

// prompt asks on the terminal. Whoever gives an empty standard input is refused
// at once, anyone else waits: nobody types.
func (c *call) prompt(question, refusal string) error {
	if _, err := io.WriteString(c.terminal, question); err != nil {
		return err
	}
	if _, err := bufio.NewReader(c.stdin).ReadByte(); errors.Is(err, io.EOF) {
		return failure{"\nError: " + refusal + "\n", exitFailure}
	}
	hang()
	return nil
}
