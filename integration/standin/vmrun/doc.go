// The program vmrun is the stand-in for VMware's: see package standin, which is
// all of it. VMRUN_STANDIN_STATE names the directory where its machines run.
package main
