package index

import (
	"testing"
	"time"
)

func TestHeldLongerWhereOpeningIsSlow(t *testing.T) {
	for opening, want := range map[time.Duration]time.Duration{
		0:                      holdTime,
		5 * time.Millisecond:   holdTime,
		100 * time.Millisecond: time.Second,
		time.Minute:            mostHold,
	} {
		if got := (&database{opening: opening}).hold(); got != want {
			t.Errorf("opened in %v it is held for %v, want %v", opening, got, want)
		}
	}
}
