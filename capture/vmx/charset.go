package vmx

import (
	"strings"
	"unicode/utf8"
)

// A charset is the encoding of a file's values, named in .encoding. A file that
// does not say is taken for UTF-8.
type charset int

const (
	charsetUnknown charset = iota
	charsetUTF8
	charsetASCII
	charsetLatin1
	charsetWindows1252
)

// charsetByName reads the value of .encoding, spelt in any of the usual ways.
func charsetByName(name string) charset {
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(lowerASCII(name))
	switch plain {
	case "utf8":
		return charsetUTF8
	case "usascii", "ascii", "ansix3.41968":
		return charsetASCII
	case "iso88591", "latin1":
		return charsetLatin1
	case "windows1252", "cp1252":
		return charsetWindows1252
	}
	return charsetUnknown
}

// Decode turns bytes of the named charset (UTF-8, US-ASCII, ISO-8859-1 or
// windows-1252, as .encoding and the encoding of a disk descriptor spell them)
// into UTF-8. For any other charset it returns the bytes unchanged and false.
// Bytes that are not of the charset they claim to be stay as they are.
func Decode(charsetName, raw string) (text string, known bool) {
	c := charsetByName(charsetName)
	return c.decode(raw), c != charsetUnknown
}

func (c charset) decode(raw string) string {
	if c != charsetLatin1 && c != charsetWindows1252 || isASCII(raw) {
		return raw
	}
	out := make([]byte, 0, len(raw)+len(raw)/2)
	for i := 0; i < len(raw); i++ {
		r := rune(raw[i])
		if c == charsetWindows1252 && 0x80 <= r && r < 0xA0 {
			r = windows1252[r-0x80]
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// windows1252 holds the characters of 0x80 to 0x9F, where that charset differs
// from ISO-8859-1. The five positions it leaves undefined stand for the control
// characters of the same number, as in Windows' own conversion, so that two
// different names never become one.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}
