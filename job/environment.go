package job

import (
	"strconv"
	"strings"
)

// The phases in which scripts run, as GRANARY_PHASE names them.
const (
	jobBefore = "job-before"
	vmBefore  = "vm-before"
	vmAfter   = "vm-after"
	jobAfter  = "job-after"
)

// jobVariables are what every script of a job learns.
func jobVariables(job, phase string) []string {
	return []string{"GRANARY_JOB=" + job, "GRANARY_PHASE=" + phase}
}

// taskVariables are what a VM's scripts learn of it.
func taskVariables(t Task, vm string) []string {
	vmx := t.VMX
	if vmx == "" {
		vmx = t.VM
	}
	return []string{"GRANARY_VM=" + vm, "GRANARY_VMX=" + vmx, "GRANARY_HOST=" + t.HostName}
}

// outcomeVariables are what a VM's after-script learns of its end.
func outcomeVariables(o Outcome) []string {
	downtime := "" // not known
	if d, known := o.downtime(); known {
		downtime = strconv.FormatFloat(d.Seconds(), 'f', 3, 64)
	}
	return []string{
		"GRANARY_OUTCOME=" + string(o.Status),
		"GRANARY_STATUS=" + strconv.Itoa(o.Status.exit()),
		"GRANARY_ERROR=" + oneLine(o.Err),
		"GRANARY_GENERATION=" + strings.Join(o.generations(), "\n"), // a team has one a VM
		"GRANARY_STORED_BYTES=" + strconv.FormatInt(o.stored(), 10),
		"GRANARY_DOWNTIME_SECONDS=" + downtime,
	}
}

// summaryVariables are what a job's after-script learns of its end.
func summaryVariables(s Summary) []string {
	env := []string{"GRANARY_OUTCOME=" + string(s.status()), "GRANARY_STATUS=" + strconv.Itoa(s.ExitStatus()), "GRANARY_ERROR=" + oneLine(s.Err)}
	for _, status := range Statuses {
		env = append(env, "GRANARY_"+strings.ToUpper(string(status))+"="+strconv.Itoa(s.Count(status)))
	}
	return env
}
