package process

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Redacted stands in for a password.
const Redacted = "***"

// Redact removes passwords from a text. A program may print one in another
// charset than it got it, with marks in place of letters: what stands where a
// password has letters beyond ASCII is taken for them.
func Redact(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, Redacted)
			if form := inAnyCharset(secret); form != nil {
				text = form.ReplaceAllLiteralString(text, Redacted)
			}
		}
	}
	return text
}

// inAnyCharset matches a text that is not all ASCII in whatever charset it was
// printed, or nil for one that is.
func inAnyCharset(text string) *regexp.Regexp {
	form, ascii := "", 0
	for _, r := range text {
		if r < utf8.RuneSelf {
			form, ascii = form+regexp.QuoteMeta(string(r)), ascii+1
			continue
		}
		form += `(?:[^\x00-\x7F]|\?){1,4}`
	}
	if ascii == utf8.RuneCountInString(text) || ascii == 0 {
		return nil
	}
	return regexp.MustCompile(form)
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
