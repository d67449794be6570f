//go:build linux

package standin

import "cmp"

// vcbLine is a call of a program of VMware Consolidated Backup taken apart.
type vcbLine struct {
	verb       string // export, unmount, names, find, delete; "" for what is none
	host       string // of -h: the name alone
	user       string
	password   string
	hasLogin   bool   // there is a -p
	target     string // of -a, -s, -f or -d
	dir        string // of -r or -U
	kind       string // of -t
	monolithic bool
	snapshot   string // of -f the name, of -d the SsId
}

// parseVCBLine takes args apart. A value may begin with a dash, as getopt has it.
func parseVCBLine(program string, args []string) vcbLine {
	var l vcbLine
	for len(args) > 0 {
		flag, value, taken := args[0], "", 1
		if len(args) > 1 {
			value, taken = args[1], 2
		}
		switch flag {
		case "-h":
			l.host, _ = hostAddress(value)
		case "-u":
			l.user = value
		case "-p":
			l.password, l.hasLogin = value, true
		case "-a":
			l.verb, l.target = cmp.Or(l.verb, "export"), value
		case "-s":
			l.verb, l.target = "names", value
		case "-f", "-d":
			l.verb, l.target = map[string]string{"-f": "find", "-d": "delete"}[flag], value
			if len(args) > 2 {
				l.snapshot, taken = args[2], 3
			}
		case "-r":
			l.dir = value
		case "-U":
			l.verb, l.dir = "unmount", value
		case "-t":
			l.kind = value
		case "-M":
			l.monolithic = value != "0"
			if value != "0" && value != "1" {
				taken = 1 // seen without a value, too
			}
		}
		args = args[taken:]
	}
	if l.program() != program {
		l.verb = ""
	}
	return l
}

// program returns the one that knows the verb.
func (l vcbLine) program() string {
	switch l.verb {
	case "names":
		return vcbVMName
	case "find", "delete":
		return vcbSnapshot
	}
	return vcbMounter
}

// subject is what the call works on: the machine, or the directory of -U.
func (l vcbLine) subject() string { return cmp.Or(l.target, l.dir) }

// forFaults is the call as a Fault is compared with it.
func (l vcbLine) forFaults() commandLine {
	return commandLine{verb: l.verb, vmx: l.subject(), host: l.host}
}
