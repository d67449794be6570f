// Package host says where virtual machines run and how they are reached: which
// driver, which program of VMware's, which login, and which of its datastores is
// mounted where.
//
// Start at [Host]. It holds no password, only where to find one ([Secret]), so
// it may be printed, kept in a journal ([Host.Facts], [FromFacts]) and written
// in a job file. [Host.VMRun] and [Host.VCB] read the passwords and give the
// drivers.
package host
