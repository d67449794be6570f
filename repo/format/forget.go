package format

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ForgottenPrefix holds the forget records.
const ForgottenPrefix = "forgotten/"

// maxReason is the length of the longest reason, in bytes.
const maxReason = 1000

// Forget says that a generation is forgotten, for people and for a later prune.
type Forget struct {
	Session SessionID // of the generation
	Time    int64     // ns since 1970, information only
	Reason  string    // the rule or the person that asked for it
}

// ForgetName is the object whose existence makes the generation of session s a
// forgotten one.
func ForgetName(s SessionID) string { return ForgottenPrefix + s.String() }

// Marshal encodes f as the object ForgetName. It refuses what a reader would
// refuse.
func (f Forget) Marshal(repo RepoID) ([]byte, error) {
	name := ForgetName(f.Session)
	if err := checkReason(f.Reason); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b := append([]byte(nil), f.Session[:]...)
	b = le.AppendUint64(b, uint64(f.Time))
	return sealRecord(KindForget, name, repo, appendString(b, f.Reason))
}

// ParseForget decodes the object ForgetName(session).
func ParseForget(session SessionID, repo RepoID, b []byte) (Forget, error) {
	name := ForgetName(session)
	_, payload, err := openOwnRecord(name, repo, b, KindForget)
	if err != nil {
		return Forget{}, err
	}
	c := cursor{b: payload}
	var f Forget
	c.fixed(f.Session[:])
	f.Time, f.Reason = c.i64(), c.str()
	if err := c.end(); err != nil {
		return Forget{}, fmt.Errorf("%s: %w", name, err)
	}
	if f.Session != session {
		return Forget{}, fmt.Errorf("%s: %w: speaks of another session", name, ErrCorrupt)
	}
	if err := checkReason(f.Reason); err != nil {
		return Forget{}, fmt.Errorf("%s: %w: %w", name, ErrCorrupt, err)
	}
	return f, nil
}

func checkReason(reason string) error {
	switch {
	case len(reason) > maxReason:
		return fmt.Errorf("the reason is %d bytes long, more than %d", len(reason), maxReason)
	case !utf8.ValidString(reason) || strings.ContainsFunc(reason, unicode.IsControl):
		return errors.New("the reason holds control characters or is not UTF-8")
	}
	return nil
}
