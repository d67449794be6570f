// The program bench measures granary beside other backup programs, on the same
// data, in one run: make bench.
//
//	bench [-dir DIR] [-rounds N] [-peers LIST] [-steps LIST] [-out FILE]
//	      [-granary FILE] [-restic FILE]
//
// The data are three states of the disk of one virtual machine, a Debian guest,
// made from a seed and from the packages that this machine installs from. Each
// round begins with empty repositories and takes all programs through all steps,
// step by step, in another order each time. The page cache is dropped before
// each step, what a step writes is on disk when its clock stops, and every byte
// that a restore or a mount gives is compared with the state, outside of the
// time measured: no figure stands for wrong bytes.
//
// The medians go to standard output and to FILE as Markdown, all single values
// to results.json in DIR. A step that fails is "failed" in the table and tells
// why on standard error; if it was granary's, the exit status is 1. 2 is a wrong
// command line.
//
// It needs root, to drop caches and to mount the guest's disk while that is made,
// and 20 GB in DIR, on a disk. Into the peak memory of a child the kernel counts
// that of the parent which started it: so this program keeps its own small and
// never holds a file.
//
// The program works on Linux; elsewhere it says so.
package main
