package process

import (
	"os/exec"
	"path/filepath"
)

// LookUp returns the absolute path of a program: it is run from another
// directory, where a relative one would name something else. named is what the
// operator said, a path or a name on the PATH; if it is empty the program is
// looked for by its usual name on the PATH, then at the places given, because
// installers leave the PATH alone and a service often has a short one.
func LookUp(named, usual string, places []string) (string, error) {
	name := named
	if name == "" {
		name = usual
	}
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	if named == "" {
		for _, place := range places {
			if found, err := exec.LookPath(place); err == nil {
				return found, nil
			}
		}
	}
	return "", err
}
