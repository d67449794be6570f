package vmrun

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"granary/capture/process"
)

// defaultProgram is vmrun's name.
const defaultProgram = "vmrun"

func (c *Client) program() (string, error) {
	return process.LookUp(c.Program, defaultProgram, installPlaces())
}

// installPlaces is where VMware's installers put vmrun.
func installPlaces() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{
			"/Applications/VMware Fusion.app/Contents/Public/vmrun",
			"/Applications/VMware Fusion.app/Contents/Library/vmrun",
			"/Library/Application Support/VMware Fusion/vmrun",
		}
	case "windows":
		var places []string
		for _, root := range []string{os.Getenv("ProgramFiles(x86)"), os.Getenv("ProgramFiles")} {
			if root == "" {
				continue
			}
			for _, product := range []string{"VMware Workstation", "VMware Player", "VMware VIX", "VMware Server"} {
				places = append(places, filepath.Join(root, "VMware", product, "vmrun.exe"))
			}
		}
		return places
	}
	return []string{"/usr/bin/vmrun", "/usr/local/bin/vmrun", "/opt/vmware/bin/vmrun", "/usr/lib/vmware/bin/vmrun"}
}

var banner = regexp.MustCompile(`(?im)^\s*vmrun version\s+(\S+(?:[ \t]+build-\d+)?)`)

// Version returns what vmrun calls itself, "1.17.0 build-12990004". Versions do
// not sort across products: Workstation 10 had 1.13, the older Server 2 had 2.0.
func (c *Client) Version(ctx context.Context) (string, error) {
	k, err := c.query(ctx, verbVersion, "")
	if err != nil {
		return "", err
	}
	defer k.end()
	// Run without a command, vmrun prints its usage and may call that a
	// failure: the banner decides.
	r, err := k.repeat()
	if m := banner.FindStringSubmatch(r.Stdout + "\n" + r.Stderr); m != nil && r.Status >= 0 {
		return m[1], nil
	}
	if err == nil {
		err = k.unreadable(r, "no version")
	}
	return "", err
}
