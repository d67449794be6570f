package main

import "os/exec"

// detach has nothing to do where there is no mount.
func detach(*exec.Cmd) {}
