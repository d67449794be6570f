package repo

import (
	"fmt"
	"slices"

	"granary/repo/format"
)

// packer fills one pack in memory: header and grains, then the table.
type packer struct {
	table format.PackTable
	buf   []byte
	home  chan []byte // where buf is from
	plain int64       // bytes before compression
}

func newPacker(repo format.RepoID, name format.PackName, kind format.PackKind, l loan[[]byte]) *packer {
	p := &packer{table: format.PackTable{Name: name, Kind: kind}, home: l.home}
	p.buf = format.AppendPackHeader(l.buffer[:0], repo, name, kind)
	return p
}

// giveBack returns the buffer; the packer must not be used any more.
func (p *packer) giveBack() { p.home <- p.buf }

// full tells whether a grain of so many stored bytes has to go elsewhere.
func (p *packer) full(stored, limit int) bool {
	payload := len(p.buf) - format.PackHeaderSize
	return len(p.table.Entries) > 0 && (payload+stored > limit || len(p.table.Entries) == format.MaxEntries)
}

func (p *packer) add(e format.Entry, stored []byte) {
	p.buf = append(p.buf, stored...)
	p.table.Entries = append(p.table.Entries, e)
	p.plain += int64(e.Plain)
}

// seal appends the table, and decodes it again: a pack that could not be read
// back must not be written.
func (p *packer) seal(repo format.RepoID, grain int) error {
	p.buf = format.AppendTable(p.buf, p.table)
	tail := p.buf[len(p.buf)-format.TableSize(p.table.Kind, len(p.table.Entries)):]
	got, err := format.ParseTable(p.table.Name, repo, grain, int64(len(p.buf)), p.buf[:format.PackHeaderSize], tail)
	if err != nil {
		return fmt.Errorf("verify pack before writing: %w", err)
	}
	if got.Kind != p.table.Kind || !slices.Equal(got.Entries, p.table.Entries) {
		return fmt.Errorf("verify pack before writing: %s: table decodes to another", p.table.Name)
	}
	return nil
}

func (p *packer) manifest() format.ManifestPack {
	return format.ManifestPack{Number: p.table.Name.Number, Entries: uint32(len(p.table.Entries)), Size: uint32(len(p.buf)), Kind: p.table.Kind}
}
