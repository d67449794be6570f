// Package vcb drives vcbMounter, the program of VMware Consolidated Backup: it
// snapshots a virtual machine of an ESX host or of vCenter and exports its
// files to a directory of this machine.
//
// Start at [Client]; its zero value runs the vcbMounter that is installed here
// with what its own configuration file says. [ParseTarget] reads what names a
// machine; [Client.Export] makes an export, [Client.Unmount] and then [Remove]
// take it away. [ReadCatalog] and [DiskFile] say what lies in it. What is left
// of an export that was cut short is found by [Client.Leftover] and [Orphans].
// Failures are an [*Error], which unwraps to one of the Err sentinels and whose
// Hint tells the operator what to do.
//
// What the package promises:
//
//   - Every call ends: each has a deadline (see [Timeouts]), an empty standard
//     input and no terminal, because vcbMounter prompts for a password that it
//     was not given.
//   - Nothing is repeated. No failure of vcbMounter's is known to pass by
//     itself, and after most of them something is left that the next would meet.
//   - An export succeeds only with status 0, no line that tells of an error,
//     and a catalog. That every disk is there and whole is for the caller to
//     check, with [DiskFile] and the descriptors: vcbMounter is known to leave
//     partial exports.
//   - Whatever a machine or a directory is called reaches vcbMounter as one
//     argument. No shell is involved.
//   - Passwords appear in no error and no log line. One given as
//     Client.Password does appear on vcbMounter's own command line, where every
//     user of the machine can read it while the call runs (CVE-2008-2101).
//     Better leave it empty: vcbMounter then takes the login from its own
//     configuration, /etc/vmware/backuptools.conf on an ESX console and
//     config.js or the registry on a Windows proxy.
//
// # How sure this is
//
// VMware took its documents of VCB down. From VMware itself are the options -h,
// -u and -p, the ways to leave -p out, and the form of a log line,
// "[2007-08-07 12:29:43.798 'BlockList' 2052 error] text". From scripts that
// people ran are -a -r -t -m -M -F -L, the snapshot's name and that it survives
// a run that failed, and vcbVmName and vcbSnapshot, which print lines "moref:…"
// and "SsId:…" that go back to them as arguments unchanged; so is the file
// catalog and its form. That nbdssl is a mode is not confirmed.
// Recalled only, and not to be relied on, are -U, what else an export holds,
// how its disks are called, most keys of the catalog, what a polite signal does
// to vcbMounter, and the words of its messages. Those are matched loosely; a
// text that is not known becomes an [*Error] that unwraps to nothing and
// carries vcbMounter's words. Exit codes are known to nobody: zero is success.
package vcb
