package repo

import (
	"context"

	"granary/repo/format"
)

// Stats says what a repository holds, from the manifests alone.
type Stats struct {
	VMs          int
	Generations  int
	LogicalBytes int64 // of all files of all generations
	DataBytes    int64 // the same without holes
	Packs        int
	StoredBytes  int64 // in packs that generations name, forgotten ones too
	Grains       int64 // stored
	NewBytes     int64 // plain size of what is stored
}

// Stats sums up the repository.
func (r *Repo) Stats(ctx context.Context) (*Stats, error) {
	list, err := r.Generations(ctx)
	if err != nil {
		return nil, err
	}
	s := &Stats{Generations: len(list.Generations)}
	vms := map[string]bool{}
	for _, g := range list.Generations {
		vms[g.VM] = true
		s.LogicalBytes += LogicalBytes(g.Manifest)
		for i := range g.Files {
			s.DataBytes += g.Files[i].Allocated
		}
	}
	for _, g := range list.all() {
		s.Packs += len(g.Packs)
		s.StoredBytes += g.StoredBytes
		s.NewBytes += g.NewBytes
		for _, p := range g.Packs {
			s.Grains += int64(p.Entries)
		}
	}
	s.VMs = len(vms)
	return s, nil
}

// LogicalBytes is the size of a generation's files.
func LogicalBytes(m *format.Manifest) (bytes int64) {
	for i := range m.Files {
		bytes += m.Files[i].Size
	}
	return bytes
}
