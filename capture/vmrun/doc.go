// Package vmrun drives VMware's vmrun program: it lists, starts, stops,
// suspends and snapshots virtual machines of VMware Workstation, Player,
// Fusion and, with a host and a login, of the old servers.
//
// Start at [Client]; its zero value runs the vmrun that is installed on this
// machine. Each method is one vmrun command, repeated where repeating is safe.
// Failures are an [*Error], which unwraps to one of the Err sentinels and whose
// Hint tells the operator what to do. [Client.Snapshot] alone wraps it once
// more, in a [*SnapshotError], because its caller has to know whether there is
// now something to delete. [Orphans] and [Client.WaitOrphans] find the vmrun
// that outlived a granary that was killed.
//
// What the package promises:
//
//   - Every call ends: each has a deadline (see [Timeouts]), an empty standard
//     input and no terminal, because vmrun waits for ever on a dialog that
//     nobody sees and prompts for passwords that nobody types.
//   - A call that changes a virtual machine is not torn by Ctrl-C: once
//     started it ignores the cancellation of its context, and only its
//     deadline ends it. A call that only looks obeys its context at once.
//   - A virtual machine never counts as off because vmrun's answer could not
//     be understood: an unreadable list is an error, never an empty list.
//   - What is started inherits no descriptor of granary's. A virtual machine
//     lives for weeks, and would hold a lock file of granary's that long. For
//     this every descriptor of the process but the standard three is marked
//     close-on-exec; one that is meant for a child goes through ExtraFiles.
//   - Passwords appear in no error and no log line. They do appear on vmrun's
//     own command line, where every user of the machine can read them while
//     the call runs: vmrun accepts them nowhere else.
//
// A call may outlast its deadline by the time that killing vmrun takes and, for
// a verb that changes the machine, by a look at what became of it (at most
// [Timeouts.Query] more).
//
// What is known of vmrun comes from VMware's usage texts (1.15.2, 1.17), the
// VIX error codes, and transcripts in the trackers of Vagrant, Packer and
// others. vmrun has no stable messages: they vary by version and language,
// which is why they are matched by substring and why a text that is not known
// becomes an [*Error] that unwraps to nothing and carries vmrun's words.
package vmrun
