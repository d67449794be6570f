// Package standin is a stand-in for VMware's vmrun: the same commands, output,
// messages and exit codes, over virtual machines whose disks are real VMDK
// files and whose guests really write (package guest). The program itself is
// the package vmrun below; Main is all of it, so a test binary may be it, too.
//
// # State
//
// The environment variable VMRUN_STANDIN_STATE names the directory of the
// state. Nothing else connects one call with the next.
//
//	settings      JSON, see Settings; may be absent
//	faults        JSON, a list of Fault; may be absent
//	calls.log     one JSON line at the start and one at the end of each call
//	vms/KEY/      a machine: its lock, its guest and what a killed call left
//
// A running guest is a process of its own session, by the name of vmware-vmx as
// in reality, that holds a lock on vms/KEY/alive; it dies only by stop, suspend,
// reset, Kill, KillAll or a signal. Calls for one machine exclude each other by
// a lock. When a call is killed while it has the guest frozen, the guest
// finishes or undoes what the call had begun and goes on by itself; the next
// call finds a usable machine.
//
// # In a test
//
// Open a State by New, have KillAll called at the end, and run the program with
// VMRUN_STANDIN_STATE set to its directory: one that Install has built, or the
// test binary itself, whose TestMain begins with
//
//	if standin.Called() {
//		os.Exit(standin.Main(os.Args[1:], os.Stdin, os.Stdout))
//	}
//
// A binary built with -race sleeps for a second at its exit; set
// GORACE=atexit_sleep_ms=0 for calls of such a one.
//
// # Settings
//
//	{
//	  "pause": "1ms", "cache": "unsafe", "vmPassword": "for encrypted machines",
//	  "hosts": {"esx1": {"user": "root", "password": "secret", "datastores": {"store 1": "/srv/esx1"}}},
//	  "guest": {"user": "root", "password": "in the guest"},
//	  "guestPrograms": {
//	    "/usr/sbin/freeze": {"freeze": true, "delay": "1s"},
//	    "/usr/sbin/thaw": {"thaw": true},
//	    "/bin/fails": {"exit": 3}
//	  }
//	}
//
// Hosts are what -T esx, vc, server, server1 and ws-shared reach by -h, given
// as NAME, NAME:PORT or https://NAME[:PORT]/sdk, with the login that they want.
// A host has the machines below its datastores and no others, and calls them
// "[datastore] dir/vm.vmx", a server1 by plain paths. The calls without a host
// list what no host has. As long as there are no hosts, a remote call is taken
// whatever its login, and finds the machines in the setting datastores.
//
// Guest programs run by runProgramInGuest; runScriptInGuest finds them by the
// text of the script, and fileExistsInGuest knows them as files. A program that
// freezes makes the guest quiesce: it stamps every disk once more, with a flag
// that Verify reports (guest.Quiesced), and writes nothing until one thaws it or
// it is stopped. So a copy proves by itself that it was frozen at its moment.
// State.GuestStatus tells whether a guest is quiesced now.
//
// start, stop, reset and suspend take a team (.vmtm), too: each member in the
// order of the file, up to the first that fails.
//
// # Snapshots
//
// A snapshot after revertToSnapshot begins a branch. When a snapshot is deleted
// whose disks several branches stand on, the disks stay, without a name; disks
// that nothing stands on any more are removed.
//
// # Faults
//
// For each call, the first fault of the list that fits is carried out. It fits
// when verb, vmx and host fit and it is the n-th such call since the list was
// written (call; 0 is every call). The bare call, which prints the version, has
// the verb version here and in calls.log.
//
//	[
//	  {"verb": "snapshot", "call": 2, "vmx": "web", "do": "hang", "at": "after"},
//	  {"verb": "stop", "do": "fail", "text": "Error: The operation was canceled"},
//	  {"verb": "start", "do": "fail", "at": "after", "text": "Error: Unknown error", "exit": 0},
//	  {"verb": "snapshot", "do": "die", "at": "midway"},
//	  {"verb": "checkToolsState", "do": "fail", "text": "unknown", "exit": 254},
//	  {"verb": "version", "do": "fail", "text": "cannot open shared object file", "exit": 127},
//	  {"verb": "list", "host": "esx1", "do": "hang"},
//	  {"verb": "list", "crlf": true, "case": "upper", "trailing": true},
//	  {"verb": "list", "locale": "de", "utf16": true},
//	  {"verb": "*", "noise": "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119", "noiseAfter": "bye"},
//	  {"verb": "*", "delayBefore": "50ms..200ms"},
//	  {"verb": "deleteSnapshot", "keepDelta": true}
//	]
//
// What is done: hang (until killed), fail (print text, leave with exit, 255
// unless given), die (by SIGKILL), prompt (ask for a password; hang unless
// standard input is at its end). When: before the work (unless said), after it
// but before it is reported, or midway. Midway is, for snapshot and
// revertToSnapshot, when the redo disks exist and nothing names them; for
// deleteSnapshot, when the first disk is merged; for stop and suspend, when the
// guest is down and its lock files and state are not seen to; for start, when
// the guest is starting; for a guest program, when it has frozen or thawed. A
// snapshot that fails after the work is a half-done one that is left behind.
// Fault has the rest: deafness to SIGTERM, code page, and so on.
//
// # Where the real program is not known
//
// Duplicate snapshot names are accepted and refused on delete. The start of a
// running machine, the bare command and an unknown one fail with 255.
// checkToolsState of a machine that is off prints unknown with 254. The real
// wording of VIX 13016 (running machine, independent disks), of a wrong login,
// of a guest program that is not there, of listRegisteredVM and of every other
// language was not found. A machine that is reverted to a snapshot with memory
// is off, and boots.
package standin
