package vmx

import "testing"

func TestCharset(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"UTF-8 by default", "k = \"é\"\n", "é"},
		{"UTF-8 named", ".encoding = \"UTF-8\"\nk = \"é\"\n", "é"},
		{"bytes that are not UTF-8", "k = \"a\xe9\"\n", "a\xe9"},
		{"byte order mark", "\xef\xbb\xbfk = \"é\"\n", "é"},
		{"byte order mark outweighs the key", "\xef\xbb\xbf.encoding = windows-1252\nk = \"é\"\n", "é"},
		{"windows-1252", ".encoding = \"windows-1252\"\nk = \"\x80\xe9\x9f\"\n", "€éŸ"},
		{"windows-1252, undefined", ".encoding = \"windows-1252\"\nk = \"\x81\x8d\"\n", "\u0081\u008d"},
		{"named after use", "k = \"\x80\"\n.ENCODING = Windows-1252\n", "€"},
		{"named by its number", ".encoding = \"cp1252\"\nk = \"\x80\"\n", "€"},
		{"escaped bytes", ".encoding = \"windows-1252\"\nk = \"|80\"\n", "€"},
		{"ISO-8859-1", ".encoding = \"ISO-8859-1\"\nk = \"\x80\xe9\"\n", "\u0080é"},
		{"US-ASCII", ".encoding = \"US-ASCII\"\nk = \"a\xe9\"\n", "a\xe9"},
		{"unknown charset stays raw", ".encoding = \"Shift_JIS\"\nk = \"\x83|7C\x83\x5c\"\n", "\x83\x7c\x83\x5c"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := mustParse(t, tt.text).Get("k"); !ok || got != tt.want {
				t.Errorf("Get = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	if text, known := Decode("windows-1252", "B\xfcro"); text != "Büro" || !known {
		t.Errorf("windows-1252: %q, %v", text, known)
	}
	if text, known := Decode("Shift_JIS", "B\xfcro"); text != "B\xfcro" || known {
		t.Errorf("Shift_JIS: %q, %v", text, known)
	}
}

// TestDecodeKeepsNamesApart guards what makes decoding safe for file names:
// different bytes never become the same text.
func TestDecodeKeepsNamesApart(t *testing.T) {
	for _, c := range []charset{charsetLatin1, charsetWindows1252, charsetASCII, charsetUTF8, charsetUnknown} {
		seen := make(map[string]int)
		for b := range 256 {
			text := c.decode(string([]byte{byte(b)}))
			if other, ok := seen[text]; ok {
				t.Errorf("charset %d: bytes %#x and %#x both become %q", c, b, other, text)
			}
			seen[text] = b
		}
	}
}
