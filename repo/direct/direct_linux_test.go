package direct

import (
	"os"
	"testing"
)

// A full disk is an error as ever.
func TestWriteFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if n, err := Write(full, Buffer(Alignment)); err == nil {
		t.Errorf("%d bytes were written to a full disk", n)
	}
}
