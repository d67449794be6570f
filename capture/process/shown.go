package process

import "strings"

// Redacted stands in for a password.
const Redacted = "***"

// Redact removes passwords from a text.
func Redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, Redacted)
		}
	}
	return text
}

// Shown is what the program printed, for people: valid UTF-8, without the
// secrets; long output loses its middle.
func (r Result) Shown(secrets ...string) string {
	text := strings.TrimRight(r.Stdout, "\r\n")
	if r.Stderr != "" {
		text += "\n" + r.Stderr
	}
	return shorten(strings.ToValidUTF8(strings.TrimSpace(Redact(text, secrets...)), "\uFFFD"))
}

// shownBytes bounds what Shown returns, but for the mark of the cut.
const shownBytes = 8 << 10

// shorten cuts the middle out of text that is too long: the reason stands at
// one of its ends.
func shorten(text string) string {
	if len(text) <= shownBytes {
		return text
	}
	return strings.ToValidUTF8(text[:shownBytes/2], "") + "\n[...]\n" +
		strings.ToValidUTF8(text[len(text)-shownBytes/2:], "")
}
