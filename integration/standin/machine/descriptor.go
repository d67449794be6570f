//go:build linux

package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"granary/integration/standin/dictionary"
)

// A descriptor is a text file, or lies within the first sectors of a sparse
// extent, padded with zeros.
const (
	descriptorMark   = "# Disk DescriptorFile"
	descriptorWindow = 64 << 10
	descriptorRoom   = 20 * 512 // what qemu-img reserves for an embedded one
	sparseMagic      = "KDMV"
)

// descriptor is the text that says what a VMDK consists of.
type descriptor struct {
	path     string
	text     string
	offset   int64 // where the text begins in the file
	embedded bool
}

func readDescriptor(path string) (*descriptor, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read descriptor: %w", err)
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, descriptorWindow))
	if err != nil {
		return nil, fmt.Errorf("read descriptor: %w", err)
	}
	at := bytes.Index(head, []byte(descriptorMark))
	if at < 0 {
		return nil, fmt.Errorf("read descriptor: %s holds none", path)
	}
	text, _, _ := bytes.Cut(head[at:], []byte{0})
	embedded := bytes.HasPrefix(head, []byte(sparseMagic))
	return &descriptor{path: path, text: string(text), offset: int64(at), embedded: embedded}, nil
}

// field returns the value of a line name=value, without quotes.
func (d *descriptor) field(name string) string {
	match := regexp.MustCompile(`(?mi)^\s*` + name + `\s*=\s*"?([^"\r\n]*?)"?\s*$`).FindStringSubmatch(d.text)
	if match == nil {
		return ""
	}
	return match[1]
}

// parentPath returns the parent's path, or "" for a disk that stands alone.
func (d *descriptor) parentPath() string {
	hint := d.field("parentFileNameHint")
	if hint == "" || filepath.IsAbs(hint) {
		return hint
	}
	return filepath.Join(filepath.Dir(d.path), hint)
}

var extentLine = regexp.MustCompile(`(?m)^(?:RW|RDONLY|NOACCESS) \d+ [A-Z]+ "([^"]+)"`)

// files returns every file of this one disk, the descriptor first.
func (d *descriptor) files() []string {
	files := []string{d.path}
	for _, match := range extentLine.FindAllStringSubmatch(d.text, -1) {
		if path := filepath.Join(filepath.Dir(d.path), match[1]); path != d.path {
			files = append(files, path)
		}
	}
	return files
}

// reparent makes the disk child a child of parent as parent is now. qemu-img
// cannot: its rebase does not know VMDK.
func reparent(child, parent string) error {
	c, err := readDescriptor(child)
	if err != nil {
		return err
	}
	p, err := readDescriptor(parent)
	if err != nil {
		return err
	}
	hint, err := filepath.Rel(filepath.Dir(child), parent)
	if err != nil {
		return fmt.Errorf("reparent: %w", err)
	}
	text := regexp.MustCompile(`(?m)^parentCID=.*$`).ReplaceAllLiteralString(c.text, "parentCID="+p.field("CID"))
	text = regexp.MustCompile(`(?m)^parentFileNameHint=.*$`).ReplaceAllLiteralString(text, `parentFileNameHint="`+hint+`"`)
	return c.rewrite(text)
}

func (d *descriptor) rewrite(text string) error {
	if !d.embedded {
		// In one step: whoever is killed here leaves the old or the new one.
		return dictionary.Replace(d.path, []byte(text))
	}
	if len(text) > descriptorRoom {
		return errors.New("rewrite descriptor: no room")
	}
	file, err := os.OpenFile(d.path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("rewrite descriptor: %w", err)
	}
	padded := text + strings.Repeat("\x00", descriptorRoom-len(text))
	_, err = file.WriteAt([]byte(padded), d.offset)
	return errors.Join(err, file.Close())
}
