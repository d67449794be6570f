package job

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"granary/capture"
	"granary/capture/host"
	"granary/job/strict"
)

// fileKeys are the keys of a job file; docs/jobs.yaml explains each.
type fileKeys struct {
	Repo   string                 `yaml:"repo"`
	Limits Limits                 `yaml:"limits"`
	Hosts  map[string]strict.Node `yaml:"hosts"`
	Jobs   strict.Node            `yaml:"jobs"` // in the order of the file
}

type hostKeys struct {
	host.Host `yaml:",inline"`
	Parallel  int `yaml:"parallel"`
}

// vmSettings are the keys that a job sets for all its VMs, and a VM for itself.
type vmSettings struct {
	Host              string         `yaml:"host"`
	Quiesce           capture.Method `yaml:"quiesce"`
	HardStop          bool           `yaml:"hard-stop"`
	FullScan          bool           `yaml:"full-scan"`
	DeleteVCBSnapshot bool           `yaml:"delete-vcb-snapshot"`
	Settle            time.Duration  `yaml:"settle"`
	Deadline          time.Duration  `yaml:"deadline"`
	Deadlines         host.Deadlines `yaml:"deadlines"`
	ScriptDeadline    time.Duration  `yaml:"script-deadline"`
	Guest             guestKeys      `yaml:"guest"`
}

type guestKeys struct {
	host.Login `yaml:",inline"`
	Freeze     []string `yaml:"freeze"`
	Thaw       []string `yaml:"thaw"`
}

type jobKeys struct {
	vmSettings `yaml:",inline"`
	VMs        []strict.Node `yaml:"vms"`
	Before     *Script       `yaml:"before"`
	After      *Script       `yaml:"after"`
	VMBefore   *Script       `yaml:"vm-before"`
	VMAfter    *Script       `yaml:"vm-after"`
	Retention  Retention     `yaml:"retention"`
}

type vmKeys struct {
	vmSettings `yaml:",inline"`
	VM         string  `yaml:"vm"`
	Name       string  `yaml:"name"`
	VMX        string  `yaml:"vmx"`
	Before     *Script `yaml:"before"`
	After      *Script `yaml:"after"`
}

// Retention says which generations of a VM are kept; the zero value keeps all.
type Retention struct {
	Last    int           `yaml:"keep-last"`
	Hourly  int           `yaml:"keep-hourly"`
	Daily   int           `yaml:"keep-daily"`
	Weekly  int           `yaml:"keep-weekly"`
	Monthly int           `yaml:"keep-monthly"`
	Yearly  int           `yaml:"keep-yearly"`
	Within  time.Duration `yaml:"keep-within"`
}

// Limits bound what happens at once.
type Limits struct {
	Parallel     int  `yaml:"parallel"`               // VMs in all, 1 if 0
	PerHost      int  `yaml:"parallel-per-host"`      // 0 is no limit
	PerDatastore int  `yaml:"parallel-per-datastore"` // 0 is no limit
	ReadBytes    Rate `yaml:"read-bandwidth"`         // 0 is no limit

	// Host bounds the VMs of the hosts, by their names, in place of PerHost.
	Host map[string]int
}

// Rate is a number of bytes a second.
type Rate int64

// minRate is the lowest rate that lets a backup end some day.
const minRate = 64 << 10

// UnmarshalText reads a rate like 200MiB.
func (r *Rate) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n < minRate || n > math.MaxInt64 {
		return fmt.Errorf("%q is no number of bytes a second from 64KiB on, as 200MiB", text)
	}
	*r = Rate(n)
	return nil
}
