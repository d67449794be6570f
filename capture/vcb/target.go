package vcb

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of targets.
const (
	ByName   = "name"   // the display name; case counts
	ByIPAddr = "ipaddr" // the guest's address or host name; only while it runs
	ByUUID   = "uuid"   // the BIOS UUID
	ByMoRef  = "moref"  // the host's or vCenter's own identifier
)

var kinds = []string{ByName, ByIPAddr, ByUUID, ByMoRef}

// Target says which virtual machine is meant, as vcbMounter's -a takes it.
type Target struct {
	Kind  string // one of the By constants
	Value string // any bytes but NUL and line breaks; not empty
}

// ParseTarget reads "name:web", "ipaddr:10.0.0.7", "uuid:564d…" or "moref:vm-16".
// The value is taken as it stands, blanks and further colons included.
func ParseTarget(text string) (Target, error) {
	kind, value, found := strings.Cut(text, ":")
	if !found {
		return Target{}, fmt.Errorf("virtual machine %q: want name:NAME, ipaddr:ADDRESS, uuid:UUID or moref:REFERENCE", text)
	}
	t := Target{Kind: kind, Value: value}
	return t, t.check()
}

// String returns t as ParseTarget reads it.
func (t Target) String() string { return t.Kind + ":" + t.Value }

func (t Target) check() error {
	switch {
	case !slices.Contains(kinds, t.Kind):
		return fmt.Errorf("virtual machine %q: there is no kind %q, want %s", t.String(), t.Kind, strings.Join(kinds, ", "))
	case t.Value == "":
		return fmt.Errorf("virtual machine %q: nothing stands behind the colon", t.String())
	case strings.ContainsAny(t.Value, "\x00\r\n"):
		return fmt.Errorf("virtual machine %q: a line break or NUL cannot be part of it", t.String())
	}
	return nil
}
