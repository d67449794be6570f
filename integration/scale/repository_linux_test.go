package main

import (
	"path/filepath"
	"testing"

	"granary/repo"
)

// What is measured has to be a repository: all but the grains of data is there.
func TestRepositoryIsSound(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	m, err := newMaker(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	s := shape{grains: 6000, vms: 2, generations: 3}
	for i := range s.vms {
		if err := m.vm(t.Context(), s, i); err != nil {
			t.Fatal(err)
		}
	}
	r, err := repo.Open(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	report, err := r.Check(t.Context(), repo.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.DamageCount > 0 || report.Unreferenced > 0 {
		t.Errorf("%d damages, %d packs that nothing names; the first: %v", report.DamageCount, report.Unreferenced, report.Damage)
	}
	if report.Generations != 6 || report.Grains < s.grains {
		t.Errorf("%d generations of %d grains", report.Generations, report.Grains)
	}
	list, err := r.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g := list.Generations[len(list.Generations)-1]
	f, err := r.OpenFile(g, g.VM+"-flat.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	if start, end, err := f.NextData(0); err != nil || start != 0 || end != int64(s.disk())*plainGrain {
		t.Errorf("data from %d to %d (%v)", start, end, err)
	}
}

func TestParseCounts(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "1e6": 1, "1e6,2500000,1e8": 3} {
		if got, err := parseCounts(text); err != nil || len(got) != want {
			t.Errorf("parseCounts(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1e4", "1e10", "-1e6", "many", "1e6,"} {
		if got, err := parseCounts(text); err == nil {
			t.Errorf("parseCounts(%q) = %v", text, got)
		}
	}
}
