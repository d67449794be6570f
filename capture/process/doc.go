// Package process runs other programs to an end that comes: each call has the
// deadline of its context, an empty standard input, no terminal, a process
// group that is ended as a whole, and bounded memory for what it prints.
//
// Start at [Run]. [Find] looks for programs that outlived whoever started them.
//
// What is started inherits no descriptor of granary's, because a virtual machine
// that a program starts lives for weeks and would hold a lock file that long;
// for this every descriptor of this process but the standard three is marked
// close-on-exec. It inherits no variable that holds a password of granary's
// either: see [Environment].
package process
