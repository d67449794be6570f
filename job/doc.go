// Package job captures what a job file names, unattended: many VMs on many
// hosts, within limits, with the operator's scripts around them.
//
// Start at [Load], which reads a job file or says all that is wrong with it, then
// [File.Job] and [Runner.Run]. The capturing itself is the caller's: a Runner is
// given a function that takes one [Task] to its [Outcome].
//
// What it promises:
//   - One VM's failure stops no other. Whatever ends, the after-scripts run.
//   - Never more VMs at once than the limits allow, and none waits while it fits.
//   - A job runs once at a time: else [ErrBusy].
//   - Each outcome is kept durably, with the last success before it, for
//     [ReadOutcomes] and [WriteMetrics].
//   - Nothing passes through a shell but a script that the job file holds as one
//     text. No password is in a script's environment, a record or a metric.
package job

import "errors"

var (
	// ErrBusy means that the job is running already.
	ErrBusy = errors.New("this job is running already")
	// ErrNoJob means that the file has no job of that name.
	ErrNoJob = errors.New("no such job")
	// ErrNoRecord means that nothing is kept of a VM.
	ErrNoRecord = errors.New("no outcome of it is kept")
	// ErrNoVMs means that nothing that a job names is there.
	ErrNoVMs = errors.New("no virtual machine to capture")
)
