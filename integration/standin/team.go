//go:build linux

package standin

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// teamVerbs are the commands that take a team in place of a .vmx.
var teamVerbs = []string{"start", "stop", "reset", "suspend"}

// teamMembers returns the .vmx paths that a team file names, in its order: the
// text of every element that ends in .vmx, whatever the element is called.
func teamMembers(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read team: %w", err)
	}
	defer file.Close()
	document := xml.NewDecoder(file)
	document.Strict = false
	var members []string
	text := ""
	for {
		token, err := document.Token()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read team: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			text = ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			if member := strings.TrimSpace(text); strings.EqualFold(filepath.Ext(member), ".vmx") {
				if !filepath.IsAbs(member) {
					member = filepath.Join(filepath.Dir(path), member)
				}
				members = append(members, member)
			}
			text = ""
		}
	}
}

// isTeam tells whether the call is for a team.
func (c *call) isTeam() bool { return strings.EqualFold(filepath.Ext(c.line.vmx), ".vmtm") }

// eachMember carries the call out on each member of the team, up to the first
// that fails.
func (c *call) eachMember() error {
	cannot := func(reason string) error { return refuse(fmt.Sprintf("Cannot open VM: %s, %s", c.line.vmx, reason)) }
	path, err := c.hostPath(c.line.vmx)
	if err != nil {
		return cannot("The virtual machine cannot be found")
	}
	members, err := teamMembers(path)
	if errors.Is(err, os.ErrNotExist) {
		return cannot("The virtual machine cannot be found")
	}
	if err != nil || len(members) == 0 {
		return cannot("Cannot read the virtual machine configuration file")
	}
	for _, member := range members {
		c.line.vmx, _ = c.remotePath(member) // a path of this machine, where the host has it by none
		if err := c.findVM(); err != nil {
			return err
		}
		if err := c.dispatch(); err != nil {
			return err
		}
	}
	return nil
}
