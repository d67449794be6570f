package job

import (
	"errors"
	"slices"
	"strings"
	"time"

	"granary/capture"
	"granary/capture/vcb"
)

// Status is how a task ended.
type Status string

// The statuses, the best first.
const (
	Captured Status = "captured"
	Partly   Status = "partly" // the generation is safe; the VM, a script or forgetting is not well
	Failed   Status = "failed" // nothing was committed
	Skipped  Status = "skipped"
)

// Statuses are all of them, the best first.
var Statuses = []Status{Captured, Partly, Failed, Skipped}

// Exit statuses, as the command line promises them.
const (
	exitDone   = 0
	exitFailed = 1
	exitPartly = 3
)

func (s Status) exit() int {
	switch s {
	case Captured:
		return exitDone
	case Partly:
		return exitPartly
	}
	return exitFailed
}

// Outcome is what became of a task.
type Outcome struct {
	Task    Task
	VM      string // its name in the repository, or the best that is known
	Status  Status
	Results []*capture.Result // one for each VM that was captured; a team has several
	// Forgotten are the generations that retention removed.
	Forgotten []string
	// Journals are what names its VMs in journals, as capture.Pending does; none
	// if they were not found.
	Journals     []string
	Err          error // why it is not Captured
	Began, Ended time.Time
}

// spoil adds what went wrong beside the capture.
func (o *Outcome) spoil(err error) {
	o.Err = errors.Join(o.Err, err)
	if o.Status == Captured {
		o.Status = Partly
	}
}

// generations are the generations made, as VM@GENERATION.
func (o *Outcome) generations() []string {
	var names []string
	for _, r := range o.Results {
		names = append(names, r.Generation.String())
	}
	return names
}

// Downtime is how long the guest was down for a generation. It is not known of
// one that was down when that was committed, and has not been started since.
func Downtime(r *capture.Result) (downtime time.Duration, known bool) {
	return r.Downtime, r.Downtime > 0 || r.Generation.Downtime >= 0
}

// downtime is how long a guest was down, the longest of a team; nothing is
// known of it unless all were captured.
func (o *Outcome) downtime() (longest time.Duration, known bool) {
	known = len(o.Results) > 0
	for _, r := range o.Results {
		downtime, knownToo := Downtime(r)
		longest, known = max(longest, downtime), known && knownToo
	}
	return longest, known
}

// foundNothing tells whether there is no VM where the task names one.
func (o *Outcome) foundNothing() bool {
	var missing *missingError
	return errors.As(o.Err, &missing) || errors.Is(o.Err, vcb.ErrNotFound)
}

// stored is what the captures added to the repository, in bytes.
func (o *Outcome) stored() int64 {
	var sum int64
	for _, r := range o.Results {
		sum += r.Generation.StoredBytes
	}
	return sum
}

// read is what the captures read of the disks, in bytes.
func (o *Outcome) read() int64 {
	var sum int64
	for _, r := range o.Results {
		sum += r.Generation.ReadBytes
	}
	return sum
}

// Summary is a job that was run.
type Summary struct {
	Job      string
	Outcomes []Outcome // in the order of the file
	// Warnings are for the operator: a pattern that fits nothing, a VM that is
	// named twice.
	Warnings []string
	// Err is what went wrong with the job itself: its scripts, folders that
	// cannot be read, outcomes that cannot be kept. Nil if all is well.
	Err          error
	Began, Ended time.Time
}

// Count is how many tasks ended in a status.
func (s *Summary) Count(status Status) int {
	n := 0
	for _, o := range s.Outcomes {
		if o.Status == status {
			n++
		}
	}
	return n
}

// ExitStatus is 0 if all was captured and nothing is left to do, 1 if nothing
// was captured, else 3.
func (s *Summary) ExitStatus() int {
	good := s.Count(Captured)
	switch {
	case good == len(s.Outcomes) && s.Err == nil:
		return exitDone
	case good+s.Count(Partly) == 0:
		return exitFailed
	}
	return exitPartly
}

// status is the job's as one word.
func (s *Summary) status() Status {
	switch s.ExitStatus() {
	case exitDone:
		return Captured
	case exitPartly:
		return Partly
	}
	if len(s.Outcomes) > 0 && !slices.ContainsFunc(s.Outcomes, func(o Outcome) bool { return o.Status != Skipped }) {
		return Skipped
	}
	return Failed
}

// oneLine is an error on one line; several joined ones are parted by "; ".
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, err.Error())
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
}
