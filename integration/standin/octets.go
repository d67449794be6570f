//go:build linux

package standin

import (
	"encoding/json"
	"unicode/utf8"
)

// octets is text that JSON keeps byte for byte: a string where it is UTF-8, else
// an object with its base64.
type octets string

type encodedOctets struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (o octets) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(o)) {
		return json.Marshal(string(o))
	}
	return json.Marshal(encodedOctets{[]byte(o)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *octets) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*o = octets(text)
		return nil
	}
	var encoded encodedOctets
	err := json.Unmarshal(data, &encoded)
	*o = octets(encoded.Base64)
	return err
}
