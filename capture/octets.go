package capture

import (
	"strings"
	"unicode/utf8"
)

// XML and JSON hold UTF-8, names on a host are bytes. hiddenByte is the private
// code point that stands for byte 0 where bytes are hidden in UTF-8.
const hiddenByte = 0xf700

func isHidden(r rune) bool { return r >= hiddenByte+0x80 && r <= hiddenByte+0xff }

// hideBytes makes UTF-8 of any text, and showBytes undoes that. Code points that
// would be taken for hidden bytes are hidden byte by byte themselves.
func hideBytes[T string | []byte](text T) string {
	data := string(text)
	var b strings.Builder
	for len(data) > 0 {
		r, n := utf8.DecodeRuneInString(data)
		if r == utf8.RuneError && n == 1 || isHidden(r) {
			r, n = hiddenByte+rune(data[0]), 1
		}
		b.WriteRune(r)
		data = data[n:]
	}
	return b.String()
}

func showBytes(text string) string {
	var b []byte
	for _, r := range text {
		if isHidden(r) {
			b = append(b, byte(r-hiddenByte))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}
