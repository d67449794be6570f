package host

import (
	"fmt"
	"os"
	"strings"

	"granary/capture/process"
)

// Secret says where a password is: in a file or in an environment variable. The
// zero value is no password.
type Secret struct {
	File string `yaml:"password-file"` // its first line
	Env  string `yaml:"password-env"`  // the name of the variable
}

// maxSecret bounds a password's file, in bytes.
const maxSecret = 64 << 10

// Read gives the password, empty if there is none. Programs that granary runs
// from then on do not inherit the variable.
func (s Secret) Read() (string, error) {
	switch {
	case s.File != "" && s.Env != "":
		return "", fmt.Errorf("read password: both the file %s and the variable %s are given", s.File, s.Env)
	case s.File != "":
		return readPassword(s.File)
	case s.Env != "":
		process.HideVariable(s.Env)
		switch password, set := os.LookupEnv(s.Env); {
		case !set:
			return "", fmt.Errorf("read password: the environment variable %s is not set", s.Env)
		case password == "":
			return "", fmt.Errorf("read password: the environment variable %s is empty", s.Env)
		default:
			return password, nil
		}
	}
	return "", nil
}

func readPassword(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	if info.Size() > maxSecret {
		return "", fmt.Errorf("read password: %s has %d bytes and holds no password", file, info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password, _, _ := strings.Cut(string(data), "\n")
	password = strings.TrimSuffix(password, "\r")
	if password == "" {
		return "", fmt.Errorf("read password: the first line of %s is empty", file)
	}
	return password, nil
}
