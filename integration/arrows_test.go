package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says which packages of granary each may import. The code below
// integration is tests and may import all.
var arrows = map[string][]string{
	"granary/cmd/granary": {"granary/capture", "granary/capture/host", "granary/capture/vcb", "granary/fusefs", "granary/job",
		"granary/repo", "granary/repo/format", "granary/repo/retention"},
	"granary/job": {"granary/capture", "granary/capture/host", "granary/capture/process", "granary/capture/vcb", "granary/job/strict",
		"granary/repo", "granary/repo/format", "granary/repo/storage"},
	"granary/job/strict": {},
	"granary/capture": {"granary/capture/vcb", "granary/capture/vmdk", "granary/capture/vmrun", "granary/capture/vmx",
		"granary/repo", "granary/repo/direct", "granary/repo/format", "granary/repo/inuse", "granary/repo/storage"},
	"granary/capture/host":             {"granary/capture/process", "granary/capture/vcb", "granary/capture/vmrun"},
	"granary/capture/process":          {},
	"granary/capture/vcb":              {"granary/capture/process"},
	"granary/capture/vmdk":             {},
	"granary/capture/vmrun":            {"granary/capture/process"},
	"granary/capture/vmx":              {},
	"granary/fusefs":                   {"granary/capture/vmdk", "granary/repo", "granary/repo/format"},
	"granary/repo":                     {"granary/index", "granary/repo/direct", "granary/repo/format", "granary/repo/inuse", "granary/repo/storage"},
	"granary/repo/direct":              {},
	"granary/repo/retention":           {},
	"granary/index":                    {"granary/repo/format", "granary/repo/storage"},
	"granary/repo/format":              {},
	"granary/repo/inuse":               {},
	"granary/repo/storage":             {"granary/repo/direct"},
	"granary/repo/storage/storagetest": {"granary/repo/storage"},
}

// owners says which package alone may use a library.
var owners = map[string]string{
	"github.com/dgraph-io/badger":   "granary/index",
	"github.com/hanwen/go-fuse":     "granary/fusefs",
	"github.com/DataDog/zstd":       "granary/repo",
	"github.com/klauspost/compress": "granary/repo",
	"github.com/zeebo/blake3":       "granary/repo/format",
	"github.com/urfave/cli":         "granary/cmd/granary",
	"github.com/vbauerster/mpb":     "granary/cmd/granary",
	"github.com/goccy/go-yaml":      "granary/job/strict",
}

func TestImportsRunOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "granary/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from := words[0]
		if strings.HasPrefix(from, "granary/integration") {
			continue
		}
		allowed, known := arrows[from]
		if !known {
			t.Errorf("package %s is not in the house: DESIGN of folders and this test name them", from)
		}
		seen++
		for _, to := range words[1:] {
			if strings.HasPrefix(to, "granary/") && !slices.Contains(allowed, to) {
				t.Errorf("%s may not import %s", from, to)
			}
			for library, owner := range owners {
				if strings.HasPrefix(to, library) && from != owner {
					t.Errorf("%s imports %s, which only %s may", from, to, owner)
				}
			}
		}
	}
	if seen < len(arrows) {
		t.Errorf("go list named %d packages of %d", seen, len(arrows))
	}
}
