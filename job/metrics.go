package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// metric is one family of the exposition.
type metric struct {
	name, help string
	samples    []string
	seen       map[string]bool
}

// add appends a sample. Two of the same labels would make the collector refuse
// the whole file: the first counts.
func (m *metric) add(labels string, value float64) {
	if m.seen[labels] {
		return
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[labels] = true
	m.samples = append(m.samples, m.name+labels+" "+strconv.FormatFloat(value, 'f', -1, 64))
}

// WriteMetrics writes the records as a file for the textfile collector of
// Prometheus's node_exporter, at once and durably. Pending is how many journals
// wait for recovery. The path's folder has to exist; the file may be read by
// all.
func WriteMetrics(path string, records []Record, pending int, at time.Time) error {
	var text strings.Builder
	for _, m := range metrics(records, pending, at) {
		if len(m.samples) == 0 {
			continue
		}
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s gauge\n%s\n", m.name, m.help, m.name, strings.Join(m.samples, "\n"))
	}
	if err := replaceFile(path, 0o644, []byte(text.String())); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

func metrics(records []Record, pending int, at time.Time) []*metric {
	success := &metric{name: "granary_vm_last_success_timestamp_seconds", help: "When the VM's last generation was safe."}
	attempt := &metric{name: "granary_vm_last_attempt_timestamp_seconds", help: "When the last attempt to capture the VM ended."}
	status := &metric{name: "granary_vm_last_attempt_status", help: "How the last attempt ended: 1 for its status, 0 for the others."}
	downtime := &metric{name: "granary_vm_downtime_seconds", help: "How long the guest was down for the last generation."}
	duration := &metric{name: "granary_vm_duration_seconds", help: "How long the last successful capture took, with its scripts."}
	stored := &metric{name: "granary_vm_stored_bytes", help: "What the last generation added to the repository."}
	read := &metric{name: "granary_vm_read_bytes", help: "What was read of the disks for the last generation."}
	waiting := &metric{name: "granary_journals_waiting", help: "Interrupted captures that granary recover has to put right."}
	ran := &metric{name: "granary_run_timestamp_seconds", help: "When granary run last ended."}
	for _, r := range records {
		vm := []string{"vm", r.VM, "host", r.Host, "path", r.Path}
		attempt.add(labels(vm...), seconds(r.LastAttempt.Ended))
		for _, s := range Statuses {
			value := 0.0
			if s == r.LastAttempt.Status {
				value = 1
			}
			status.add(labels(append(vm, "status", string(s))...), value)
		}
		if last := r.LastSuccess; last != nil {
			success.add(labels(vm...), seconds(last.Ended))
			if last.Downtime != nil {
				downtime.add(labels(vm...), *last.Downtime)
			}
			duration.add(labels(vm...), last.Ended.Sub(last.Began).Seconds())
			stored.add(labels(vm...), float64(last.StoredBytes))
			read.add(labels(vm...), float64(last.ReadBytes))
		}
	}
	waiting.add("", float64(pending))
	ran.add("", seconds(at))
	return []*metric{success, attempt, status, downtime, duration, stored, read, waiting, ran}
}

// seconds is a time as Prometheus counts it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// labelEscapes are what the exposition wants escaped in a label's value.
var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labels renders names and values, in turn.
func labels(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, pairs[i]+`="`+labelEscapes.Replace(printable(pairs[i+1]))+`"`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}
