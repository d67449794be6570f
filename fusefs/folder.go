//go:build linux

package fusefs

import (
	"strings"

	"granary/repo/format"
)

// folder is a folder of a generation. It is immutable.
type folder struct {
	path    string   // below the generation; empty for the generation's own
	names   []string // of folders and files, in the order of the manifest
	folders map[string]*folder
	files   map[string]*format.File
}

func newFolder(path string) *folder {
	return &folder{path: path, folders: map[string]*folder{}, files: map[string]*format.File{}}
}

// newTree makes the folders that the paths of files imply. The manifest's
// parser has checked that no path is both a file and a folder.
func newTree(files []format.File) *folder {
	root := newFolder("")
	for i := range files {
		f := &files[i]
		in := root
		for at := 0; ; {
			n := strings.IndexByte(f.Path[at:], '/')
			if n < 0 {
				name := f.Path[at:]
				in.files[name] = f
				in.names = append(in.names, name)
				break
			}
			name := f.Path[at : at+n]
			below := in.folders[name]
			if below == nil {
				below = newFolder(f.Path[:at+n])
				in.folders[name] = below
				in.names = append(in.names, name)
			}
			in, at = below, at+n+1
		}
	}
	return root
}
