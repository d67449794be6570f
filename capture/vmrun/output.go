package vmrun

import (
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"granary/capture/process"
)

// decoded returns what vmrun printed without a byte order mark and, where it
// came through a Windows console as UTF-16, as UTF-8. Anything else stays: a
// path in it is bytes.
func decoded(text string) string {
	var order binary.ByteOrder
	switch first := strings.IndexByte(text, 0); {
	case strings.HasPrefix(text, "\xef\xbb\xbf"):
		return text[3:]
	case strings.HasPrefix(text, "\xff\xfe"):
		order, text = binary.LittleEndian, text[2:]
	case strings.HasPrefix(text, "\xfe\xff"):
		order, text = binary.BigEndian, text[2:]
	// Without a mark the NULs tell. vmrun prints none of its own, and the first
	// one belongs to a letter of ASCII: where it stands is the byte order.
	case strings.Count(text, "\x00")*4 < len(text) || text == "":
		return text
	case first%2 == 1:
		order = binary.LittleEndian
	default:
		order = binary.BigEndian
	}
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16([]byte(text[2*i : 2*i+2]))
	}
	return string(utf16.Decode(units))
}

// noise is what Fusion prints of its own before anything else:
// "2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119".
var noise = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:?\d\d)?\|`)

// escapes are a terminal's colours, cursor movements and window titles.
var escapes = regexp.MustCompile(`\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\))`)

// bare is a line as a terminal shows it, without colours, and without blanks
// around it. Names are compared as printed first: they may hold any of that.
func bare(line string) string { return strings.TrimSpace(escapes.ReplaceAllString(line, "")) }

// isLineEnd: a carriage return alone ends a line of vmrun's words, too.
func isLineEnd(r rune) bool { return r == '\n' || r == '\r' }

// errorText returns what follows "Error:" on a line that starts with it.
func errorText(line string) (text string, ok bool) {
	line = bare(line)
	if len(line) < 6 || !strings.EqualFold(line[:6], "Error:") {
		return "", false
	}
	return strings.TrimSpace(line[6:]), true
}

// errorLines returns the texts of all error lines. Neither the position nor the
// exit status says more: Fusion prints log lines first, and some failures end
// with status 0.
func errorLines(text string) []string {
	var found []string
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		if said, ok := errorText(line); ok {
			found = append(found, said)
		}
	}
	return found
}

// sayings returns the lines of text that say anything.
func sayings(text string) []string {
	var found []string
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		line = bare(line)
		if line != "" && !noise.MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

// heading is the line in front of a list in a language that is not known.
var heading = regexp.MustCompile(`^[^/\\]*[:：]\s*(\d+)$`)

// listing is a list that vmrun printed.
type listing struct {
	front string   // what came before it
	total int      // of names, as its heading "<words>: N" says
	lines []string // behind the heading, as printed; a name may take several
}

// findListing finds a list by its heading. One in another language is
// recognised by its form. Without any heading text is no list at all, which is
// not the same as an empty one.
func findListing(text, words string) (listing, bool) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var found []listing
	inEnglish := false
	for i, line := range lines {
		line = bare(line)
		m := heading.FindStringSubmatch(line)
		if m == nil || noise.MatchString(line) {
			continue
		}
		total, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		found = append(found, listing{strings.Join(lines[:i], "\n"), total, lines[i+1:]})
		if inEnglish = strings.HasPrefix(strings.ToLower(line), words); inEnglish {
			break
		}
	}
	if len(found) == 0 {
		return listing{}, false
	}
	// The first is the heading, and what looks like one behind it is a name. Or
	// it is noise, a number that the lines behind it do not make up.
	if inEnglish && found[0].total > found[0].filled() {
		return found[len(found)-1], true
	}
	return found[0], true
}

// filled counts the lines that are not empty.
func (l listing) filled() int {
	n := 0
	for _, line := range l.lines {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// names runs a command that prints a list under the heading words, and returns
// the names in it. read tells names from vmrun's own words between them.
func (k *call) names(words string, read func(listing) (names, rest []string)) ([]string, error) {
	// A name may look like an error of vmrun's.
	k.own = func(stdout string) string {
		l, ok := findListing(stdout, words)
		if !ok {
			return stdout
		}
		_, rest := read(l)
		return l.front + "\n" + strings.Join(rest, "\n")
	}
	r, err := k.repeat()
	if err != nil {
		return nil, err
	}
	if r.Cut {
		return nil, k.unreadable(r, "more than can be kept")
	}
	l, ok := findListing(r.Stdout, words)
	if !ok {
		return nil, k.unreadable(r, "no total")
	}
	names, _ := read(l)
	if len(names) < l.total {
		return nil, k.unreadable(r, strconv.Itoa(len(names))+" of "+strconv.Itoa(l.total)+" names")
	}
	return names, nil
}

// unreadable is the error of an answer that cannot be understood.
func (k *call) unreadable(r process.Result, what string) error {
	return &Error{Verb: k.verb, VMX: k.vmx, Status: r.Status, Output: r.Shown(k.c.secrets()...),
		Message: "its answer cannot be read: it holds " + what}
}
