package process

import (
	"os"
	"strings"
	"sync"
)

// secretVariables are the names of variables that hold a password.
var secretVariables = struct {
	sync.Mutex
	names map[string]bool
}{names: map[string]bool{}}

// HideVariable keeps an environment variable from programs that are run from
// now on.
func HideVariable(name string) {
	secretVariables.Lock()
	defer secretVariables.Unlock()
	secretVariables.names[name] = true
}

// Environment is this process's environment without the variables that hold
// passwords: those that HideVariable named, and all of granary's own.
func Environment() []string {
	secretVariables.Lock()
	defer secretVariables.Unlock()
	var kept []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		own := strings.HasPrefix(name, "GRANARY_") && strings.HasSuffix(name, "PASSWORD")
		if !own && !secretVariables.names[name] {
			kept = append(kept, entry)
		}
	}
	return kept
}
