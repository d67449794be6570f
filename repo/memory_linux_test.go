//go:build !race

package repo_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"granary/repo"
)

// Eight writers of a Repo take little more memory than one, also where storage
// does not keep up with them.
func TestMemoryOfManyWriters(t *testing.T) {
	peaks := map[int]int{}
	for _, writers := range []int{1, 8} {
		dir := filepath.Join(t.TempDir(), "repo")
		if err := repo.Init(t.Context(), dir, 0); err != nil {
			t.Fatal(err)
		}
		out, err := process(t.Context(), "fill", dir, writers, 192).Output()
		if err != nil {
			t.Fatal(err)
		}
		if peaks[writers], err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d writers: %d MiB", writers, peaks[writers])
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if peaks[1] > 200 || peaks[8] > peaks[1]+7*40 {
		t.Errorf("peaks of %v MiB", peaks)
	}
}
