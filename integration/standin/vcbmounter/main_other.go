//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("Error: the stand-in runs on Linux only")
	os.Exit(1)
}
