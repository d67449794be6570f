package vcb

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"granary/capture/process"
)

// The programs of VMware Consolidated Backup that are used.
const (
	mounter      = "vcbMounter"
	nameFinder   = "vcbVmName"
	snapshotTool = "vcbSnapshot"
)

func (c *Client) program() (string, error) {
	return process.LookUp(c.Program, mounter, installPlaces())
}

// companion returns the path of the program called name beside vcbMounter.
func companion(mounterPath, name string) (string, error) {
	return exec.LookPath(filepath.Join(filepath.Dir(mounterPath), name))
}

// installPlaces is where vcbMounter was seen: on the console of ESX, which is a
// Linux, and on a Windows proxy, whose installer leaves the PATH alone.
func installPlaces() []string {
	if runtime.GOOS != "windows" {
		return []string{"/usr/sbin/" + mounter, "/usr/bin/" + mounter}
	}
	var places []string
	for _, root := range []string{os.Getenv("ProgramFiles(x86)"), os.Getenv("ProgramFiles")} {
		if root != "" {
			places = append(places, filepath.Join(root, "VMware", "VMware Consolidated Backup Framework", mounter+".exe"))
		}
	}
	return places
}
