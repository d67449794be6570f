// The program vmlab makes virtual machines and looks at copies of them, for
// shell scripts: see package lab.
//
//	vmlab make [-subformat S] [-disks N] [-size MiB] [-external DIR] [-chain N]
//	           [-independent] [-encrypted] [-memsize MiB] DIR NAME
//	vmlab team DIR NAME VMX...
//	vmlab change [-disk N] [-size BYTES] VMX SEED
//	vmlab verify VMX | DISK...
//	vmlab fsck DISK...
//	vmlab cat DISK FILE
//
// make prints the path of the .vmx, team that of the .vmtm, whose members are
// the machines given. What begins with a dash stands behind --. change works on
// a machine that is off. verify takes a .vmx, or the disks of one machine in
// their order, and fails unless they show one point in time; it prints the
// sequence, the number of boots and what the guest was doing. Errors go to
// standard error, with exit status 1; 2 is a wrong command line.
package main
