//go:build linux

package main

import (
	"errors"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1}, 5},
		{[]float64{30, 1, 2}, 2},
		{[]float64{4, 3, 100, 1}, 3.5},
	} {
		r := newResults()
		for _, value := range test.values {
			r.add("first", granaryName, value)
		}
		if got, ok := r.median(metricOf("first"), granaryName); !ok || got != test.want {
			t.Errorf("of %v: %v, %v; want %v", test.values, got, ok, test.want)
		}
		if test.values[0] != r.Values["first"][granaryName][0] {
			t.Errorf("the values of %v are kept in another order", test.values)
		}
	}
	if _, ok := newResults().median(metricOf("first"), granaryName); ok {
		t.Error("there is a median of nothing")
	}
}

func TestFailureInOneRoundIsShownAndKeepsThePeersApart(t *testing.T) {
	r := newResults()
	for _, tool := range []string{granaryName, resticName} {
		r.add("first", tool, 2)
		r.add("first", tool, 3)
	}
	r.fail("first", resticName, errors.New("no space"))
	for tool, want := range map[string]string{granaryName: "2.5", resticName: "failed", "casync": none} {
		if got := r.cell(metricOf("first"), tool); got != want {
			t.Errorf("%s: %q, want %q", tool, got, want)
		}
	}
	if got := r.cell(metricOf("stored"), resticName); got != "failed" {
		t.Errorf("another metric of the failed step: %q", got)
	}
	if err := r.failure(granaryName); err != nil {
		t.Error(err)
	}
	if err := r.failure(resticName); err == nil {
		t.Error("restic's failure is lost")
	}
}

func TestAdvantageIsAboveOneWhereGranaryIsAhead(t *testing.T) {
	for _, test := range []struct {
		metric                string
		granary, peer, expect float64
	}{
		{"first", 2, 10, 5},
		{"first", 10, 2, 0.2},
		{"random", 10, 2, 5},
	} {
		if got := metricOf(test.metric).advantage(test.granary, test.peer); got != test.expect {
			t.Errorf("%s of %v against %v: %v, want %v", test.metric, test.granary, test.peer, got, test.expect)
		}
	}
}

func TestEachMetricBelongsToAStep(t *testing.T) {
	ids := map[string]bool{}
	for _, m := range metrics {
		if _, err := choose(m.step, stepNames()); err != nil || m.step == "" {
			t.Errorf("%s: step %q: %v", m.id, m.step, err)
		}
		if ids[m.id] {
			t.Errorf("%s: twice", m.id)
		}
		ids[m.id] = true
	}
}
