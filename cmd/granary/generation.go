package main

import (
	"context"
	"time"

	"granary/capture"
	"granary/repo"
)

// findGeneration resolves VM[@GENERATION].
func findGeneration(ctx context.Context, r *repo.Repo, spec string) (*repo.Generation, error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	return list.Find(spec)
}

// generationJSON are the facts of a generation, as capture and list print
// them: sizes in bytes, durations in seconds.
type generationJSON struct {
	Event       string   `json:"event,omitempty"`
	VM          string   `json:"vm"`
	Generation  string   `json:"generation"`
	Consistency string   `json:"consistency"`
	Files       int      `json:"files"`
	Logical     int64    `json:"logical_bytes"`
	Read        int64    `json:"read_bytes"`
	New         int64    `json:"new_bytes"`
	Stored      int64    `json:"stored_bytes"`
	Downtime    *float64 `json:"downtime_seconds"` // null if unknown
	Duration    float64  `json:"duration_seconds"`
	Team        string   `json:"team,omitempty"`
}

func factsOf(g *repo.Generation) generationJSON {
	facts := generationJSON{VM: g.VM, Generation: g.Name, Consistency: g.Consistency.String(), Files: len(g.Files),
		Logical: repo.LogicalBytes(g.Manifest), Read: g.ReadBytes, New: g.NewBytes, Stored: g.StoredBytes,
		Team: capture.TeamOf(g), Duration: max(0, time.Duration(g.Finished-g.Started).Seconds())}
	if g.Downtime >= 0 {
		seconds := time.Duration(g.Downtime).Seconds()
		facts.Downtime = &seconds
	}
	return facts
}
