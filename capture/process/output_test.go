package process

import (
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	t.Parallel()
	const text = "abcdefghijklmnopqrstuvwxyz"
	for size := 1; size <= len(text); size++ {
		for n := range len(text) + 1 {
			o := &output{limit: 10}
			for rest := text[:n]; rest != ""; {
				k := min(size, len(rest))
				if w, err := o.Write([]byte(rest[:k])); w != k || err != nil {
					t.Fatalf("Write: %d, %v", w, err)
				}
				rest = rest[k:]
			}
			wanted := text[:n]
			if n > 10 {
				wanted = text[:5] + "\n[...]\n" + text[n-5:n]
			}
			if got := string(o.Bytes()); got != wanted {
				t.Errorf("%d bytes by %d: %q, want %q", n, size, got, wanted)
			}
		}
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	long := "first" + strings.Repeat("ö", shownBytes) + "last"
	got := shorten(long)
	if len(got) > shownBytes+10 || !strings.HasPrefix(got, "first") || !strings.HasSuffix(got, "last") {
		t.Errorf("%d bytes: %.20q", len(got), got)
	}
}
