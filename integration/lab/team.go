//go:build linux

package lab

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// MakeTeam writes the team file DIR/NAME.vmtm, with the machines given as its
// members in that order, and returns its path. What a real one looks like is not
// known: this one is like a .vmxf.
func MakeTeam(dir, name string, vmxs ...string) (path string, err error) {
	if name == "" || len(vmxs) == 0 {
		return "", errors.New("make team: it needs a name and members")
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("make team: %w", err)
	}
	var members bytes.Buffer
	title, err := escapeXML(name)
	if err != nil {
		return "", fmt.Errorf("make team: %w", err)
	}
	for _, vmx := range vmxs {
		member := ""
		if vmx, err = filepath.Abs(vmx); err == nil {
			vmx, err = filepath.Rel(dir, vmx)
		}
		if err == nil {
			member, err = escapeXML(vmx)
		}
		if err != nil {
			return "", fmt.Errorf("make team: %w", err)
		}
		fmt.Fprintf(&members, "<VM>\n<VMId type=\"string\">%s</VMId>\n<vmxPathName type=\"string\">%s</vmxPathName></VM>\n",
			vmwareUUID(vmx+" foundry"), member)
	}
	text := fmt.Sprintf("<?xml version=\"1.0\"?>\n<Foundry>\n<VMTeam>\n<displayName type=\"string\">%s</displayName>\n%s</VMTeam></Foundry>\n",
		title, &members)
	path = filepath.Join(dir, fileStem(name)+".vmtm")
	if err = os.MkdirAll(dir, 0o755); err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return "", fmt.Errorf("make team: %w", err)
	}
	return path, nil
}

// escapeXML returns text as XML has it, or an error for what XML cannot have:
// most control characters, and bytes that are not UTF-8.
func escapeXML(text string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(text))
	if err == nil && bytes.ContainsRune(b.Bytes(), '\uFFFD') {
		err = fmt.Errorf("%q cannot stand in XML", text)
	}
	return b.String(), err
}
