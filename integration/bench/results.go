//go:build linux

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// results are the values measured: by metric and tool one a round, and by step
// and tool why there is none.
type results struct {
	Values   map[string]map[string][]float64
	Failures map[string]map[string]string
}

func newResults() *results {
	return &results{Values: map[string]map[string][]float64{}, Failures: map[string]map[string]string{}}
}

func (r *results) add(metric, tool string, value float64) {
	if r.Values[metric] == nil {
		r.Values[metric] = map[string][]float64{}
	}
	r.Values[metric][tool] = append(r.Values[metric][tool], value)
}

func (r *results) fail(step, tool string, err error) {
	if r.Failures[step] == nil {
		r.Failures[step] = map[string]string{}
	}
	r.Failures[step][tool] = err.Error()
}

// failure tells which steps of a tool failed, if any did.
func (r *results) failure(tool string) error {
	var errs []error
	for _, step := range slices.Sorted(maps.Keys(r.Failures)) {
		if why, failed := r.Failures[step][tool]; failed {
			errs = append(errs, fmt.Errorf("%s failed: %s: %s", tool, step, why))
		}
	}
	return errors.Join(errs...)
}

// failed tells whether the step of a metric failed in any round: then the rest
// of its values is not shown.
func (r *results) failed(m metric, tool string) bool {
	_, failed := r.Failures[m.step][tool]
	return failed
}

// median returns that of a metric's values, and whether there is one.
func (r *results) median(m metric, tool string) (float64, bool) {
	values := slices.Sorted(slices.Values(r.Values[m.id][tool]))
	if len(values) == 0 || r.failed(m, tool) {
		return 0, false
	}
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2, true
	}
	return values[half], true
}

// cell is how the table shows a metric of a tool.
func (r *results) cell(m metric, tool string) string {
	if value, ok := r.median(m, tool); ok {
		return m.format(value)
	}
	if r.failed(m, tool) {
		return "failed"
	}
	return none
}
