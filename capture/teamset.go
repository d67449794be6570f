package capture

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"granary/repo"
)

// The facts that the generations of a team carry.
const (
	teamFact = "team"      // the team's name
	setFact  = "team.set"  // the same for all that were captured together
	sizeFact = "team.size" // how many those were to be
)

// TeamOf is the name of the team that a generation was captured with, empty if
// with none.
func TeamOf(g *repo.Generation) string { return g.Fact(teamFact) }

// TeamSet are generations of a team that were captured together.
type TeamSet struct {
	ID      string
	Members []*repo.Generation
	// Whole tells that none is missing: they are of one point in time and all
	// that the team was.
	Whole bool
}

// TeamSets are the sets of a team among generations, in the order of their
// first members.
func TeamSets(generations []*repo.Generation, team string) []TeamSet {
	var sets []TeamSet
	for _, g := range generations {
		if TeamOf(g) != team || team == "" {
			continue
		}
		id := g.Fact(setFact)
		at := slices.IndexFunc(sets, func(s TeamSet) bool { return s.ID == id })
		if at < 0 {
			at = len(sets)
			sets = append(sets, TeamSet{ID: id})
		}
		sets[at].Members = append(sets[at].Members, g)
	}
	for i := range sets {
		size, err := strconv.Atoi(sets[i].Members[0].Fact(sizeFact))
		sets[i].Whole = err == nil && size == len(sets[i].Members)
	}
	slices.SortStableFunc(sets, func(a, b TeamSet) int { return cmp.Compare(a.Members[0].Frozen, b.Members[0].Frozen) })
	return sets
}

// FindTeamSet is the set that a generation's name, or a prefix of it, means; the
// newest whole one for "latest" and for "". It returns repo.ErrNotFound.
func FindTeamSet(generations []*repo.Generation, team, name string) (*TeamSet, error) {
	var found []TeamSet
	for _, s := range TeamSets(generations, team) {
		if name == "" || name == "latest" {
			if s.Whole {
				found = []TeamSet{s}
			}
			continue
		}
		if slices.ContainsFunc(s.Members, func(g *repo.Generation) bool { return strings.HasPrefix(g.Name, name) }) {
			found = append(found, s)
		}
	}
	if len(found) == 1 {
		return &found[0], nil
	}
	what := "team " + strconv.Quote(team)
	if name != "" {
		what += " at " + name
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("%s means several sets: %w", what, repo.ErrNotFound)
	}
	return nil, fmt.Errorf("%s: no set of all its VMs: %w", what, repo.ErrNotFound)
}
