package process

import "bytes"

// keptBytes bounds what is kept of each of a program's streams.
const keptBytes = 1 << 20

// output keeps the beginning and the end of what is written to it. Both matter:
// the total of a list stands first, and an "Error:" may follow pages of noise.
type output struct {
	limit int // bytes kept in all
	head  []byte
	tail  []byte
	cut   bool // something between head and tail is lost
}

// Write never fails: a program whose pipe is not read would block or die.
func (o *output) Write(p []byte) (int, error) {
	n := len(p)
	half := o.limit / 2
	if room := half - len(o.head); room > 0 {
		k := min(room, len(p))
		o.head = append(o.head, p[:k]...)
		p = p[k:]
	}
	if len(p) > half {
		o.tail, o.cut = o.tail[:0], true
		p = p[len(p)-half:]
	}
	if over := len(o.tail) + len(p) - half; over > 0 {
		o.tail = append(o.tail[:0], o.tail[over:]...)
		o.cut = true
	}
	o.tail = append(o.tail, p...)
	return n, nil
}

// Bytes returns what was kept. Where the middle is lost, a line break keeps the
// two halves from joining into a line that was never printed.
func (o *output) Bytes() []byte {
	if !o.cut {
		return append(bytes.Clone(o.head), o.tail...)
	}
	return bytes.Join([][]byte{o.head, o.tail}, []byte("\n[...]\n"))
}
