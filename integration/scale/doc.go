// Command scale measures how granary grows with its repository: it makes
// repositories of millions of grains and thousands of generations, and disks of
// terabytes, runs granary on them, and prints time and memory as tables, as they
// stand in docs/scale.md.
//
//	go run ./integration/scale
//	go run ./integration/scale -grains 1e6,1e7,1e8 -times 5 -dir /big/disk
//
// The repositories are real but for the grains of data: packs have their tables
// of contents, and holes where the grains would be. So all works on them but
// reading data.
//
// It runs itself again for what is measured inside of granary's packages, and to
// make the repositories, so that the memory of each is its own.
package main
