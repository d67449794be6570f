package integration

import (
	"fmt"
	"slices"
	"strings"

	"granary/integration/standin"
)

// nature is what a faulty call of vmrun amounts to for who made it.
type nature int

const (
	works  nature = iota // whatever its output looks like
	fails                // and says so, or dies
	passes               // fails for a reason that may pass: tried again where that is safe
	hangs
	lies // ends with status 0, says nothing of a failure, and has not done it
)

// tableCase is one fault of one verb.
type tableCase struct {
	name   string
	fault  standin.Fault // its verb and calls are the group's
	nature nature
	always bool   // hits all calls from the group's first on, not that one alone
	text   string // the documented error, without path
	words  string // what granary repeats
	hint   string // what belongs to it; empty for none
}

// at is when the fault strikes.
func (c tableCase) at() string {
	if c.fault.At == "" {
		return standin.Before
	}
	return c.fault.At
}

// succeeds tells whether the call as a whole gets through: because nothing is
// wrong, or because it is repeated.
func (c tableCase) succeeds() bool { return c.nature == works || c.nature == passes && !c.always }

// The documented errors that mean something of their own to a verb.
const (
	notPoweredOn   = "The virtual machine is not powered on"
	alreadyRunning = "The virtual machine should not be powered on. It is already running."
	noSnapshot     = "The snapshot does not exist"
	canceled       = "The operation was canceled"
	inUse          = "The file is already in use"
	unknownError   = "Unknown error"
)

// documented are the errors that vmrun is known to print. Behind text stands,
// in newer versions, the path.
var documented = []struct {
	text, path string
	nature     nature
	hint       string
}{
	{notPoweredOn, ": {vmx}", fails, "start the virtual machine, or capture it with --quiesce none"},
	{alreadyRunning, "", fails, "stop the virtual machine, or choose a --quiesce method for a running one"},
	{"Cannot open VM: {vmx}, The virtual machine cannot be found", "", fails, "check the path; vmrun wants the .vmx file itself"},
	{"Cannot open VM: {vmx}, unknown file suffix", "", fails, "check the path; vmrun wants the .vmx file itself"},
	{"Cannot open VM: {vmx}, Cannot read the virtual machine configuration file", "", fails, "check that the .vmx is readable and whole"},
	{"Cannot open VM: {vmx}, A password is required for this operation", "", fails, passwordHint},
	{"Cannot open VM: {vmx}, Incorrect password", "", fails, passwordHint},
	{inUse, ": {vmx}", passes, "close the virtual machine's window in VMware"},
	{noSnapshot, "", fails, "list what there is with vmrun listSnapshots"},
	{"The name does not uniquely identify one snapshot", "", fails, "delete them in VMware's snapshot manager"},
	{canceled, "", fails, dialogHint},
	{"Cannot connect to the virtual machine", ": {vmx}", passes, "check that VMware answers for the user who runs granary"},
	{unknownError, "", passes, "check that VMware answers for the user who runs granary"},
	{"The VMware Tools are not running in the virtual machine", ": {vmx}", fails, "install or start the VMware Tools in the guest"},
	{"Invalid user name or password for the guest OS", "", fails, "give the name and the password of a user of the guest's operating system"},
	{"The specified guest user must be logged in interactively to perform this operation", "", fails, "log that user in at the guest's own screen"},
	{"Insufficient permissions in the host operating system", ": {vmx}", fails, "run granary as the user who owns the virtual machine"},
	{"Authentication for encrypted virtual machine failed", "", fails, passwordHint},
	{"The operation is not supported for the specified parameters", "", fails, "check the host type (vmrun -T), the host and the login"},
}

const (
	passwordHint = "give the password of the encrypted virtual machine or of the host's login"
	dialogHint   = `with msg.autoAnswer = "TRUE" in the .vmx it answers such questions itself`
	fusionNoise  = "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119"
)

// disguises are what an output may look like.
var disguises = []struct {
	name  string
	fault standin.Fault
}{
	{"as documented", standin.Fault{}},
	{"CRLF", standin.Fault{CRLF: true}},
	{"noise before", standin.Fault{Noise: fusionNoise}},
	{"noise after", standin.Fault{NoiseAfter: "bye"}},
	{"Latin-1", standin.Fault{Latin1: true}},
	{"UTF-16", standin.Fault{UTF16: true}},
	{"UTF-16 with CRLF and noise", standin.Fault{UTF16: true, CRLF: true, Noise: fusionNoise}},
}

// cases are the faults of a group. Exit status, path, disguise, deafness and the
// calls that are hit go round, by turn, so that each meets each.
func (g tableGroup) cases(turn int) []tableCase {
	return slices.Concat(g.working(), g.failing(turn), g.breaking(turn))
}

// working are the calls that succeed, in each disguise.
func (g tableGroup) working() []tableCase {
	var all []tableCase
	add := func(name string, f standin.Fault) {
		all = append(all, tableCase{name: "works/" + name, fault: f, nature: works, always: true})
	}
	for _, d := range disguises {
		add(d.name, d.fault)
	}
	add("German", standin.Fault{Locale: "de"})
	if g.verb == "list" {
		for _, letters := range []string{"upper", "lower"} {
			add(letters+" case", standin.Fault{Case: letters})
			add(letters+" case, German, trailing blanks, CRLF", standin.Fault{Case: letters, Locale: "de", Trailing: true, CRLF: true})
		}
		add("trailing blanks", standin.Fault{Trailing: true})
	}
	return all
}

// failing are the documented errors: before the work and, where the verb does
// any, after it. A sparse group has each at one of the moments, or every third.
func (g tableGroup) failing(turn int) []tableCase {
	all := []tableCase{{name: "fails/in German", nature: fails, words: "Der Vorgang wurde abgebrochen",
		fault: standin.Fault{Do: standin.Fail, Text: "Error: " + canceled, Locale: "de"}}}
	moments := g.moments()
	for i, d := range documented {
		for half, at := range moments {
			if g.sparse && (i+turn+half)%max(len(moments), 2) != 0 {
				continue
			}
			by := i + turn + half
			disguise := disguises[by%len(disguises)]
			c := tableCase{fault: disguise.fault, nature: d.nature, always: by/2%2 == 0, text: d.text, hint: d.hint}
			c.words = strings.TrimSpace(d.text[strings.LastIndex(d.text, ",")+1:])
			c.fault.Do, c.fault.At, c.fault.Text = standin.Fail, at, "Error: "+d.text
			if by/4%2 == 0 {
				c.fault.Text += d.path
			}
			if strings.Contains(d.text, "not supported") {
				c.fault.Text = "Unable to connect to host.\n" + c.fault.Text
			}
			status := 255
			if by%2 == 1 {
				status = 0
			}
			c.fault.Exit = &status
			c.name = fmt.Sprintf("fails/%s/%s/%d, %s", at, strings.ReplaceAll(d.text, "{vmx}", "VMX"), status, disguise.name)
			all = append(all, c)
		}
	}
	return all
}

// breaking are the calls that never come to an answer of their own, and those
// whose answer is no answer.
func (g tableGroup) breaking(turn int) []tableCase {
	even := turn%2 == 0
	all := []tableCase{{name: "asks for a password", nature: fails, always: even, fault: standin.Fault{Do: standin.Prompt},
		words: "A password is required for this operation", hint: passwordHint}}
	for _, text := range g.lies {
		all = append(all, tableCase{name: fmt.Sprintf("lies/%q", text), nature: lies, always: even,
			fault: standin.Fault{Do: standin.Fail, Text: text, Exit: new(int)}})
	}
	moments := g.moments()
	if len(moments) > 1 {
		moments = append(moments, standin.Midway)
	}
	for i, at := range moments {
		even := (i+turn)%2 == 0
		all = append(all,
			tableCase{name: "dies/" + at, nature: fails, always: even, fault: standin.Fault{Do: standin.Die, At: at}, words: "it ended with signal: killed"},
			tableCase{name: "hangs/" + at + "/always", nature: hangs, always: true, fault: standin.Fault{Do: standin.Hang, At: at, IgnoreTerm: even},
				words: "no answer within", hint: dialogHint},
			tableCase{name: "hangs/" + at + "/once", nature: hangs, fault: standin.Fault{Do: standin.Hang, At: at, IgnoreTerm: !even},
				words: "no answer within", hint: dialogHint})
	}
	return all
}

// moments are when the verb can fail with different things left behind.
func (g tableGroup) moments() []string {
	if g.verb == "version" || strings.HasPrefix(g.verb, "list") { // they change nothing
		return []string{standin.Before}
	}
	return []string{standin.Before, standin.After}
}
