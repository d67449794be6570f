package format

import "fmt"

// SessionsPrefix holds the objects of running writers.
const SessionsPrefix = "sessions/"

// Session says who writes, for people and for a later prune.
type Session struct {
	ID      SessionID
	Started int64 // ns since 1970, information only
	PID     uint32
	Host    string
	Program string
	Purpose string
}

// SessionName is the object of a running writer.
func SessionName(s SessionID) string { return SessionsPrefix + s.String() }

// Marshal encodes s as the object SessionName.
func (s Session) Marshal(repo RepoID) ([]byte, error) {
	b := le.AppendUint64(nil, uint64(s.Started))
	b = le.AppendUint32(b, s.PID)
	for _, text := range []string{s.Host, s.Program, s.Purpose} {
		if err := fits("a session's text", text); err != nil {
			return nil, err
		}
		b = appendString(b, text)
	}
	return sealRecord(KindSession, SessionName(s.ID), repo, b)
}

// ParseSession decodes the object SessionName(id).
func ParseSession(id SessionID, repo RepoID, b []byte) (Session, error) {
	_, payload, err := openOwnRecord(SessionName(id), repo, b, KindSession)
	if err != nil {
		return Session{}, err
	}
	c := cursor{b: payload}
	s := Session{ID: id, Started: c.i64(), PID: c.u32(), Host: c.str(), Program: c.str(), Purpose: c.str()}
	if err := c.end(); err != nil {
		return Session{}, fmt.Errorf("%s: %w", SessionName(id), err)
	}
	return s, nil
}
