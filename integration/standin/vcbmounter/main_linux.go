package main

import (
	"os"

	"granary/integration/standin"
)

func main() { os.Exit(standin.VCBMain(os.Args, os.Stdin, os.Stdout)) }
