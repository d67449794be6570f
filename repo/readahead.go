package repo

// readAheadBytes is how far ahead of a sequential reader grains are fetched
// and decoded.
const readAheadBytes = 4 << 20

// readAhead fetches what follows a read that looks sequential, and tells whether
// it does: it begins where the last one ended, or near, since one reader's
// requests may arrive out of order.
func (f *File) readAhead(off int64, n int) (sequential bool) {
	end := off + int64(n)
	last := f.end.Swap(end)
	if off == 0 || off < last-readAheadBytes || off > last+readAheadBytes || n < f.tree.Grain/2 {
		f.ahead.Store(end)
		return false
	}
	grain := int64(f.tree.Grain)
	for range 2 * readAheadBytes / batchBytes {
		from := f.ahead.Load()
		if from < end {
			f.ahead.CompareAndSwap(from, end)
			continue
		}
		if from >= min(end+readAheadBytes, f.tree.Size) {
			return true
		}
		// Aligned steps, each within one leaf.
		step := int64(max(batchBytes, f.tree.Grain))
		to := (from/step + 1) * step
		if !f.ahead.CompareAndSwap(from, to) {
			continue
		}
		first := from / grain
		count := min((to+grain-1)/grain, f.tree.Grains()) - first
		if !f.background(first, int(count)) {
			return true
		}
	}
	return true
}

// background loads grains beside the reader, unless enough is under way.
func (f *File) background(first int64, n int) bool {
	if n <= 0 || f.repo.life.Err() != nil {
		return false
	}
	select {
	case f.repo.ahead <- struct{}{}:
	default:
		return false
	}
	f.repo.work.Go(func() {
		defer func() { <-f.repo.ahead }()
		// An error comes again when the reader gets there.
		entries, _ := f.load(f.repo.life, first, n, true)
		f.repo.grains.release(entries)
	})
	return true
}
