//go:build linux

package fusefs

import (
	"sync"

	"granary/repo"
)

// latestName is the link to a VM's newest generation. No generation has that
// name: theirs are times.
const latestName = "latest"

// catalogue is what a repository holds, made for lookups. It is immutable.
type catalogue struct {
	vms    map[string]*machine
	names  []string // of vms, sorted
	newest int64    // when the newest generation was frozen, ns since 1970
	files  int
	stored int64 // bytes in the repository
}

// machine is a VM: one that is listed has a generation.
type machine struct {
	generations map[string]*generation
	ordered     []*generation // oldest first
}

func (v *machine) newest() *generation { return v.ordered[len(v.ordered)-1] }

// generation is one as a tree of folders.
type generation struct {
	*repo.Generation
	// root makes the tree when it is first asked for: of thousands of
	// generations few are looked into.
	root func() *folder
}

// newCatalogue makes a catalogue of list. It returns old if nothing has
// changed, and shares old's trees where some has.
func newCatalogue(list *repo.Listing, stats *repo.Stats, old *catalogue) *catalogue {
	if old.holds(list) && old.stored == stats.StoredBytes {
		return old
	}
	c := &catalogue{vms: map[string]*machine{}, stored: stats.StoredBytes}
	for _, g := range list.Generations {
		v := c.vms[g.VM]
		if v == nil {
			v = &machine{generations: map[string]*generation{}}
			c.vms[g.VM] = v
			c.names = append(c.names, g.VM)
		}
		shown := old.find(g)
		if shown == nil {
			shown = newGeneration(g)
		}
		v.generations[g.Name] = shown
		v.ordered = append(v.ordered, shown)
		c.newest = max(c.newest, g.Frozen)
		c.files += len(g.Files)
	}
	return c
}

// holds tells whether the catalogue is that of list. Mostly it is, since lists
// are read again and again.
func (c *catalogue) holds(list *repo.Listing) bool {
	if c == nil {
		return false
	}
	count := 0
	for _, v := range c.vms {
		count += len(v.ordered)
	}
	if count != len(list.Generations) {
		return false
	}
	for _, g := range list.Generations {
		if c.find(g) == nil {
			return false
		}
	}
	return true
}

func newGeneration(g *repo.Generation) *generation {
	return &generation{g, sync.OnceValue(func() *folder { return newTree(g.Files) })}
}

// find returns the generation that the catalogue has for g, or nil.
func (c *catalogue) find(g *repo.Generation) *generation {
	if c == nil {
		return nil
	}
	v := c.vms[g.VM]
	if v == nil {
		return nil
	}
	shown := v.generations[g.Name]
	if shown == nil || shown.Session != g.Session {
		return nil
	}
	return shown
}
