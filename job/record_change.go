package job

import (
	"fmt"
	"os"
	"slices"
	"time"

	"granary/capture"
)

// RecordRecovered notes in the records of attempts which of their VMs are as
// they were found since that time: by recovery, or by a person's hand. An attempt
// is put right when no journal of its VMs waits any more.
func RecordRecovered(stateDir string, recovered []capture.Recovered, at time.Time) error {
	if len(recovered) == 0 {
		return nil
	}
	waiting, _ := capture.Pending(stateDir) // which others cannot be read does not matter
	at = at.UTC()
	err := withRecords(stateDir, func(dir string) error {
		return eachRecord(dir, func(path string, r *Record, err error) error {
			if err != nil {
				return nil // ReadOutcomes tells
			}
			mine := func(journal string) bool { return slices.Contains(r.Journals, printable(journal)) }
			left := func(v capture.Recovered) bool {
				return v.Err == nil && mine(v.VMX) && !v.Began.After(r.LastAttempt.Ended)
			}
			if !slices.ContainsFunc(recovered, left) || slices.ContainsFunc(waiting, mine) {
				return nil
			}
			r.LastAttempt.PutRight = &at
			return writeRecord(path, *r)
		})
	})
	if err != nil {
		return fmt.Errorf("keep that VMs were put right: %w", err)
	}
	return nil
}

// ForgetOutcomes drops what is kept of a VM: by its name, its path or the path of
// a record that cannot be read. It returns ErrNoRecord.
func ForgetOutcomes(stateDir, vm string) error {
	found := false
	err := withRecords(stateDir, func(dir string) error {
		return eachRecord(dir, func(path string, r *Record, _ error) error {
			if path != vm && (r == nil || !r.of(vm)) {
				return nil
			}
			found = true
			return os.Remove(path)
		})
	})
	if err == nil && !found {
		err = ErrNoRecord
	}
	if err != nil {
		return fmt.Errorf("forget what became of %q: %w", vm, err)
	}
	return nil
}

// of tells whether a record is of a VM: of what people may call it.
func (r *Record) of(vm string) bool {
	vm = printable(vm)
	return slices.Contains(slices.Concat(r.names(), r.Journals, []string{r.VM, r.Path}), vm)
}
