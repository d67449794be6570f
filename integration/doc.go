// Package integration tests granary as a whole: the program as an operator
// runs it, on virtual machines made by lab, run by the stand-in of vmrun, with
// guests that write all the time.
//
// It has no code of its own but tests; setup.sh and demo.sh serve the Makefile.
package integration
