package index

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"granary/repo/storage"
)

// ErrNoSpace means that the disk has too little room to write an index.
var ErrNoSpace = errors.New("too little room on the disk for the index")

// Badger writes through mapped memory. On a full disk that is no error but a
// signal that ends the process, so there has to be room beforehand: for its log
// and tables, for the new entries, and for what a compaction writes again.
const (
	baseRoom  = 48 << 20
	grainRoom = 200
	mostAgain = 1 << 30
)

func (x *Index) checkRoom(grains int) error {
	free, err := storage.Free(x.dir)
	if err != nil {
		x.log.Debug("index: free space is unknown", "err", err)
		return nil
	}
	again := int64(0)
	err = filepath.WalkDir(x.dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil && filepath.Ext(e.Name()) == ".sst" {
			again += info.Size()
		}
		return err
	})
	if err != nil {
		x.log.Debug("index: its size is unknown", "err", err)
	}
	need := baseRoom + grainRoom*int64(grains) + min(again, mostAgain)
	if free < need {
		return fmt.Errorf("%w %s: %d bytes are free, %d needed", ErrNoSpace, x.dir, free, need)
	}
	return nil
}
