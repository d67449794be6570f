// The program vcbmounter is the stand-in for VMware's vcbMounter and, called by
// these names, for vcbVmName and vcbSnapshot: see package standin, which is all
// of it. VMRUN_STANDIN_STATE names the directory that it shares with vmrun's.
package main
