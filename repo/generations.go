package repo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"granary/repo/format"
	"granary/repo/storage"
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
	// Generations are sorted by VM, then by time.
	Generations []*Generation
	// Damaged holds an error for each manifest that cannot be read.
	Damaged []error
}

// manifestCache keeps manifests for good: they never change.
type manifestCache struct {
	mu   sync.Mutex // guards seen
	seen map[format.SessionID]*format.Manifest
}

// Generations lists the generations. Damaged manifests do not hide the others.
func (r *Repo) Generations(ctx context.Context) (*Listing, error) {
	manifests, broken, err := r.readManifests(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(manifests, func(a, b *format.Manifest) int {
		return cmp.Or(strings.Compare(a.VM, b.VM), cmp.Compare(a.Frozen, b.Frozen), cmp.Compare(a.Suffix, b.Suffix),
			slices.Compare(a.Session[:], b.Session[:]))
	})
	list := &Listing{Damaged: broken}
	taken := map[string]bool{}
	for _, m := range manifests {
		g := &Generation{Manifest: m, Name: m.Generation()}
		for n := 2; taken[g.String()]; n++ {
			g.Name = fmt.Sprintf("%s-%d", m.Generation(), n)
		}
		taken[g.String()] = true
		list.Generations = append(list.Generations, g)
	}
	return list, nil
}

// readManifests reads those that it has not read before.
func (r *Repo) readManifests(ctx context.Context) (manifests []*format.Manifest, broken []error, err error) {
	c := &r.manifests
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := map[format.SessionID]*format.Manifest{}
	err = r.store.List(ctx, format.GenerationsPrefix, func(name string, _ int64) error {
		session, err := format.ParseSessionID(strings.TrimPrefix(name, format.GenerationsPrefix))
		if err != nil {
			return nil // not ours
		}
		m, ok := c.seen[session]
		if !ok {
			if m, err = r.readManifest(ctx, session); errors.Is(err, storage.ErrNotExist) {
				return nil
			} else if ctx.Err() != nil {
				return ctx.Err()
			} else if err != nil {
				// The others must not be hidden by it.
				broken = append(broken, &DamageError{Object: name, Err: err})
				return nil
			}
		}
		seen[session] = m
		if m != nil { // else it is revoked
			manifests = append(manifests, m)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list generations: %w", err)
	}
	c.seen = seen
	return manifests, broken, nil
}

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
