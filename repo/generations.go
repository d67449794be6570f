package repo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"granary/repo/format"
)

// Generation is a VM at one point in time. It is immutable.
type Generation struct {
	*format.Manifest
	// Name is the generation's name below its VM, unique there.
	Name string
}

// String is the generation as the command line names it, VM@GENERATION.
func (g *Generation) String() string { return g.VM + "@" + g.Name }

// File returns the file of the given path, or nil.
func (g *Generation) File(path string) *format.File {
	i, found := slices.BinarySearchFunc(g.Files, path, func(f format.File, p string) int { return strings.Compare(f.Path, p) })
	if !found {
		return nil
	}
	return &g.Files[i]
}

// Listing is what a repository holds.
type Listing struct {
	// Generations are sorted by VM, then by time. Forgotten ones are not
	// among them.
	Generations []*Generation
	// Damaged holds an error for each manifest and each forget record that
	// cannot be read. A forget record that cannot be read forgets nothing.
	Damaged []error

	forgotten []*Generation
}

// Generations lists the generations. Damaged manifests do not hide the others.
func (r *Repo) Generations(ctx context.Context) (*Listing, error) {
	manifests, broken, err := readRecords(ctx, r, &r.manifests, format.GenerationsPrefix, format.ParseManifest)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	forgotten, brokenForgets, err := readRecords(ctx, r, &r.forgotten, format.ForgottenPrefix, format.ParseForget)
	if err != nil {
		return nil, fmt.Errorf("list generations: %w", err)
	}
	list := &Listing{Damaged: append(broken, brokenForgets...)}
	for _, g := range named(manifests) {
		if _, ok := forgotten[g.Session]; ok {
			list.forgotten = append(list.forgotten, g)
		} else {
			list.Generations = append(list.Generations, g)
		}
	}
	return list, nil
}

// named sorts generations and gives each a name of its own. Whether one is
// forgotten plays no part, or forgetting it would rename another.
func named(manifests map[format.SessionID]*format.Manifest) []*Generation {
	all := make([]*Generation, 0, len(manifests))
	for _, m := range manifests {
		if m != nil { // else it is revoked
			all = append(all, &Generation{Manifest: m})
		}
	}
	slices.SortFunc(all, func(a, b *Generation) int {
		return cmp.Or(strings.Compare(a.VM, b.VM), cmp.Compare(a.Frozen, b.Frozen), cmp.Compare(a.Suffix, b.Suffix),
			slices.Compare(a.Session[:], b.Session[:]))
	})
	taken := map[string]bool{}
	for _, g := range all {
		g.Name = g.Generation()
		for n := 2; taken[g.String()]; n++ {
			g.Name = fmt.Sprintf("%s-%d", g.Generation(), n)
		}
		taken[g.String()] = true
	}
	return all
}

// all has the forgotten generations too: others refer to grains in their
// packs.
func (l *Listing) all() []*Generation { return slices.Concat(l.Generations, l.forgotten) }

func (r *Repo) readManifest(ctx context.Context, session format.SessionID) (*format.Manifest, error) {
	b, err := r.readWhole(ctx, format.ManifestName(session), format.MaxRecord)
	if err != nil {
		return nil, err
	}
	return format.ParseManifest(session, r.config.Repo, b)
}

// Of returns the generations of a VM, oldest first.
func (l *Listing) Of(vm string) []*Generation {
	var of []*Generation
	for _, g := range l.Generations {
		if g.VM == vm {
			of = append(of, g)
		}
	}
	return of
}

// Find resolves VM or VM@GENERATION, where GENERATION is a name, an
// unambiguous prefix of one, or "latest", as is a missing one. It returns
// ErrNotFound or ErrAmbiguous.
func (l *Listing) Find(spec string) (*Generation, error) {
	// The last @: a VM's name may hold one, a generation's cannot.
	vm, name := spec, "latest"
	if at := strings.LastIndexByte(spec, '@'); at >= 0 && len(l.Of(spec)) == 0 {
		vm, name = spec[:at], spec[at+1:]
	}
	of := l.Of(vm)
	if len(of) == 0 {
		return nil, fmt.Errorf("VM %q: %w", vm, ErrNotFound)
	}
	if name == "latest" || name == "" {
		return of[len(of)-1], nil
	}
	var found []*Generation
	for _, g := range of {
		if g.Name == name {
			return g, nil
		}
		if strings.HasPrefix(g.Name, name) {
			found = append(found, g)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("generation %q of VM %q: %w", name, vm, ErrNotFound)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("generation %q of VM %q is %w: %s or %s", name, vm, ErrAmbiguous, found[0].Name, found[1].Name)
}
