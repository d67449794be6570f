package vmx

import "strings"

// A lineKind tells what a line of the file is.
type lineKind int

const (
	lineBlank lineKind = iota // nothing, or a comment only; the leading #! line is a comment too
	lineAssignment
	lineMalformed
)

// assignment is a name and its value as they stand in the line, unquoted but
// still escaped.
type assignment struct {
	name, value string
}

// parseLine reads one line, with or without its line end:
//
//	<ws> name <ws> = <ws> "quoted" <ws> # comment
//	<ws> name <ws> = <ws> bare     <ws> # comment
//
// A name holds no blank, = or #. A bare value ends at a blank or #, and may be
// empty. A quoted value ends at the next quote: there is no way to write a
// quote inside but the escape |22.
func parseLine(line string) (assignment, lineKind) {
	line = strings.TrimSuffix(line, "\n")
	line = strings.TrimSuffix(line, "\r")
	line = trimBlank(line)
	if line == "" || line[0] == '#' {
		return assignment{}, lineBlank
	}

	end := strings.IndexAny(line, " \t#=")
	if end <= 0 {
		return assignment{}, lineMalformed
	}
	name := line[:end]
	rest, found := strings.CutPrefix(trimBlank(line[end:]), "=")
	if !found {
		return assignment{}, lineMalformed
	}

	rest = trimBlank(rest)
	var value string
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		if value, rest, ok = strings.Cut(quoted, `"`); !ok {
			return assignment{}, lineMalformed
		}
	} else {
		end := strings.IndexAny(rest, " \t#")
		if end < 0 {
			end = len(rest)
		}
		value, rest = rest[:end], rest[end:]
	}
	if rest = trimBlank(rest); rest != "" && rest[0] != '#' {
		return assignment{}, lineMalformed
	}
	return assignment{name, value}, lineAssignment
}

// trimBlank removes the two characters that count as white space here. Others,
// such as a lone carriage return, belong to names and values.
func trimBlank(s string) string {
	return strings.Trim(s, " \t")
}

// unescape undoes |XX, one byte in two hexadecimal digits. A bar without them
// stands for itself, and so does the character that broke it off, be it another
// bar: so VMware reads it. The escapes work on bytes, below the charset, so
// this comes before decoding: in Shift_JIS or GBK a bar may be half a character.
//
// A |00 ends the value, as it does for VMware, whose values are C strings. It
// must not reach a file name, where it would only confuse.
func unescape(s string) string {
	if strings.IndexByte(s, '|') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '|' {
			out = append(out, s[i])
			continue
		}
		digits := 0
		for digits < 2 && i+1+digits < len(s) && hexDigit(s[i+1+digits]) >= 0 {
			digits++
		}
		if digits < 2 {
			end := min(i+2+digits, len(s))
			out = append(out, s[i:end]...)
			i = end - 1
			continue
		}
		c := byte(hexDigit(s[i+1])<<4 | hexDigit(s[i+2]))
		if c == 0 {
			break
		}
		out = append(out, c)
		i += 2
	}
	return string(out)
}

// hexDigit returns the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// lowerASCII folds case the way a C program does. strings.ToLower would not
// do: it replaces bytes that are not UTF-8, making different keys the same.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
