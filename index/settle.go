package index

import (
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// settlePatience bounds how long a merge lets Badger tidy up.
const settlePatience = 3 * time.Second

// settle waits while a level of the database is larger than it should be.
// Badger's compactors begin up to a second after it is opened, and a merge takes
// less: without waiting for them now and then the upper levels would grow
// without bound, and with them what each merge writes again. Most merges have
// nothing to wait for; what one leaves over, the next ones do.
func settle(db *badger.DB) {
	large := func(l badger.LevelInfo) bool { return l.Adjusted >= 1 }
	for began := time.Now(); time.Since(began) < settlePatience && slices.ContainsFunc(db.Levels(), large); {
		time.Sleep(5 * time.Millisecond)
	}
}
