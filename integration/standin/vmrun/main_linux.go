package main

import (
	"os"

	"granary/integration/standin"
)

func main() { os.Exit(standin.Main(os.Args[1:], os.Stdin, os.Stdout)) }
