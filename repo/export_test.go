package repo

// SharedBuffersLent is how many of the buffers that writers share are not at
// home.
func (r *Repo) SharedBuffersLent() int {
	return cap(r.batches) - len(r.batches) + cap(r.packs) - len(r.packs)
}
