// Package vmrun drives VMware's vmrun program: it lists, starts, stops,
// suspends and snapshots virtual machines of VMware Workstation, Player,
// Fusion, Server, ESX and vCenter, and runs programs in their guests.
//
// Start at [Client]; its zero value runs the vmrun that is installed on this
// machine. Each method is one vmrun command, repeated where repeating is safe.
// Failures are an [*Error], which unwraps to one of the Err sentinels and whose
// Hint tells the operator what to do. [Client.Snapshot] alone wraps it once
// more, in a [*SnapshotError], because its caller has to know whether there is
// now something to delete. [Client.Orphans] and [Client.WaitOrphans] find the
// vmrun that outlived a granary that was killed.
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
//   - Names are bytes. A path may hold line breaks or no valid UTF-8; only the
//     NUL byte is refused. See [Client.Running] for how a name of several lines
//     is found in a list.
//   - Passwords appear in no error and no log line.
//
// A call may outlast its deadline by the time that killing vmrun takes and, for
// a verb that changes the machine, by a look at what became of it (at most
// [Timeouts.Query] more).
//
// # Host types
//
// ws, player and fusion drive this machine: they get no address and no login,
// even if the [Client] holds one. esx, vc, server and ws-shared are reached at
// -h https://HOST[:PORT]/sdk. Without a port esx and vc get none, which means
// 443; server gets its own 8333, and ws-shared 443. Without a host the last two
// are looked for at localhost, where their vmrun mostly runs; esx and vc are
// refused. server1 is reached by -h HOST -P PORT, and without a host at this
// machine. A login in the address is refused: it would show in every log.
//
// The four with a URL know their machines as "[datastore] dir/x.vmx"; see
// [Client.Name].
//
// # Passwords
//
// vmrun takes passwords nowhere but on its own command line, where every user
// of the machine can read them while the call runs. So each is given only to
// the calls that need it: that of the host (-p) only where there is a login,
// that of an encrypted machine (-vp) only where a machine is opened, that of the
// guest (-gp) only to a program in the guest; asking for the version needs none.
// An operator can shut the others out: mount /proc with hidepid=2, and run
// granary as a user of its own, who may do to VMware what granary has to and
// nothing more.
//
// # Repetition
//
// Only failures that pass are met again: the machine or VMware's window was in
// use, VMware lost touch. A call that ran into its deadline is never repeated.
//
//	version, list, listSnapshots, checkToolsState
//	    up to 3 tries: they change nothing
//	start
//	    up to 3 tries, unless the machine is listed by then: VMware refuses to
//	    start what runs, and that is the success that was wanted
//	stop, suspend
//	    up to 3 tries, unless the machine has left the list by then: what is off
//	    cannot be stopped again
//	deleteSnapshot
//	    as long as the machine is in use, until the deadline, else up to 3
//	    tries: the name is unique, so the second of two can hit nothing else
//	snapshot
//	    never: a second one of the same name could not be deleted
//	runProgramInGuest
//	    never: nobody knows what the program has done already
//
// # Sources
//
// What is known of vmrun comes from VMware's usage texts (1.15.2, 1.17), the
// VIX error codes, and transcripts in the trackers of Vagrant, Packer and
// others. vmrun has no stable messages: they vary by version and language,
// which is why they are matched by VIX code where there is one, else by
// substring, and why a text that is not known becomes an [*Error] that unwraps
// to nothing and carries vmrun's words.
package vmrun
