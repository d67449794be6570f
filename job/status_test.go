package job

import (
	"testing"

	"granary/capture"
	"granary/repo"
	"granary/repo/format"
)

// A journal is of the VM that it means, by whatever name that is known.
func TestWaitingJournalsAreOfTheirVMs(t *testing.T) {
	listing := func(facts ...format.Fact) *repo.Listing {
		m := &format.Manifest{VM: "web", Facts: append(facts, format.Fact{Key: "host", Value: "here"})}
		return &repo.Listing{Generations: []*repo.Generation{{Manifest: m, Name: "n"}}}
	}
	exported := outcomeOf(Task{VM: "name:web"}, Captured, nil)
	exported.VM, exported.Journals = "web", []string{"[ds] web/web.vmx"}
	exported.Results = []*capture.Result{result("web")}
	dir := t.TempDir()
	record(t, dir, exported)
	for _, c := range []struct {
		name    string
		survey  Survey
		waiting string
	}{
		{"by the path of its generation", Survey{Listing: listing(format.Fact{Key: "vm.path", Value: "/vms/w\xe9b.vmx"})}, "/vms/w\xe9b.vmx"},
		{"by the target of its export", Survey{Listing: listing(format.Fact{Key: "vcb.target", Value: "name:web"})}, "name:web"},
		{"by the path that vmrun knows", Survey{Listing: listing(), Records: []Record{kept(t, dir)}}, "[ds] web/web.vmx"},
	} {
		c.survey.Host, c.survey.Waiting, c.survey.StateDir = "here", []string{c.waiting}, dir
		all := c.survey.Status()
		if len(all) != 1 || all[0].VM != "web" || len(all[0].Needs) == 0 {
			t.Errorf("%s: %+v, want one VM that needs recovery", c.name, all)
		}
	}
}
