//go:build linux

package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"granary/integration/standin/machine"
)

// The programs of VMware Consolidated Backup. They share vmrun's state: the
// machines that run, calls.log, where the verb is the program's name, and the
// locks. Their settings and faults are their own, see VCBSettings and VCBFault.
//
// Known of the real ones are the options, the snapshot's name, that it survives
// a killed export and blocks the next, the lines moref: and SsId:, the form of
// the log and of the catalog. All else is made up in their manner: the words of
// every message, the exit status of a failure, what unmount.dat holds, and what
// -U does, which here is to see whether that file is there.
const (
	vcbMounter  = "vcbMounter"
	vcbVMName   = "vcbVmName"
	vcbSnapshot = "vcbSnapshot"
)

var vcbPrograms = []string{vcbMounter, vcbVMName, vcbSnapshot}

// vcbSnapshotName is the name of the snapshot that an export is made from.
const vcbSnapshotName = "_VCB-BACKUP_"

const vcbUsage = `VMware Consolidated Backup, version 1.5.0 build-150805

Usage: vcbMounter -h <host[:port]> -u <user> -p <password>
                  -a <name:|ipaddr:|uuid:|moref:> -r <directory>
                  -t <fullvm|file> [-m <san|nbd|nbdssl|hotadd|cos>]
                  [-M <0|1>] [-F <0|1>] [-L <0..6>]
       vcbMounter -h <host[:port]> -u <user> -p <password> -U <directory>
       vcbVmName -h ... -s <any:|name:|ipaddr:|uuid:|moref:>
       vcbSnapshot -h ... -f <moref:> <name>
       vcbSnapshot -h ... -d <moref:> <SsId:>
`

// vcbCall is one run of one of the programs. Of call it has what the programs
// share: the state, the fault and how it strikes, and the output.
type vcbCall struct {
	call
	settings VCBSettings
	program  string
	line     vcbLine
	fault    VCBFault
}

// VCBCalled tells whether this process was started by the name of a program of
// VMware Consolidated Backup; then a test binary does nothing but VCBMain.
func VCBCalled() bool { return slices.Contains(vcbPrograms, filepath.Base(os.Args[0])) }

// VCBMain is the programs vcbMounter, vcbVmName and vcbSnapshot: it carries out
// args, of which the first says which one it is (vcbMounter, unless it is the
// name of another), and returns the exit code.
func VCBMain(args []string, stdin io.Reader, stdout io.Writer) int {
	state, err := stateOfEnvironment()
	if err != nil {
		fmt.Fprintf(stdout, "Error: %v\n", err)
		return exitFailure
	}
	c := &vcbCall{program: filepath.Base(args[0])}
	if !slices.Contains(vcbPrograms, c.program) {
		c.program = vcbMounter
	}
	c.line = parseVCBLine(c.program, args[1:])
	c.call = call{state: state, stdin: stdin, terminal: stdout, line: c.line.forFaults()}
	return c.run(args[1:])
}

// InstallVCB builds the programs into dir, as dir/vcbMounter and two links to
// it, and returns the path of vcbMounter. It is called from within this module.
func InstallVCB(ctx context.Context, dir string) (string, error) {
	program, err := filepath.Abs(filepath.Join(dir, vcbMounter))
	if err != nil {
		return "", fmt.Errorf("install vcbMounter: %w", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "granary/integration/standin/vcbmounter")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install vcbMounter: %w: %s", err, strings.TrimSpace(string(out)))
	}
	for _, name := range vcbPrograms[1:] {
		if err := os.Symlink(vcbMounter, filepath.Join(filepath.Dir(program), name)); err != nil {
			return "", fmt.Errorf("install %s: %w", name, err)
		}
	}
	return program, nil
}

// run carries out the call.
func (c *vcbCall) run(args []string) int {
	start := callEvent{Event: "start", Verb: c.program, VMX: octets(c.line.subject()), Host: octets(c.line.host), Args: blotted(args)}
	return c.logged(start, vcbFailure, c.work)
}

// work carries out the call with the fault that is meant for it.
func (c *vcbCall) work() (err error) {
	if err := c.state.readJSON("vcb.settings", &c.settings); err != nil {
		return err
	}
	if c.fault, err = c.state.nextVCBFault(c.call.line); err != nil {
		return err
	}
	c.call.fault = c.fault.Fault
	c.fault.deafen()
	if err := delay(c.fault.DelayBefore); err != nil {
		return err
	}
	if err := c.strike(Before); err != nil {
		return err
	}
	if err := c.login(); err != nil {
		return err
	}
	if err := c.dispatch(); err != nil {
		return err
	}
	if err := delay(c.fault.DelayAfter); err != nil {
		return err
	}
	return c.strike(After)
}

func (c *vcbCall) dispatch() error {
	switch c.line.verb {
	case "export":
		return c.export()
	case "unmount":
		return c.unmount()
	case "names":
		return c.names()
	case "find":
		return c.findSnapshot()
	case "delete":
		return c.deleteSnapshot()
	}
	return failure{vcbUsage, exitFailure}
}

// vcbFailure words err as the programs might.
func vcbFailure(err error) failure {
	var worded failure
	if errors.As(err, &worded) {
		return worded
	}
	return vcbRefuse("Other error encountered: %v", err)
}

// vcbRefuse is the answer that is a line of the log.
func vcbRefuse(format string, args ...any) failure {
	return failure{vcbLog("error", format, args...), exitFailure}
}

// vcbLog is a line of the log.
func vcbLog(level, format string, args ...any) string {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
	return fmt.Sprintf("[%s 'vcbMounter' %d %s] %s\n", time.Now().Format("2006-01-02 15:04:05.000"), os.Getpid(), level, text)
}

// withVM calls work with the machine locked, as a call of vmrun does.
func (c *vcbCall) withVM(v *vm, work func(*machine.Machine, machine.Operation) error) error {
	as := &call{state: c.state, vm: v, line: commandLine{verb: c.program}}
	return as.withMachine(func(m *machine.Machine) error {
		o, release, err := as.operation()
		if err != nil {
			return err
		}
		defer release()
		return work(m, o)
	})
}
