package vmdk

import (
	"fmt"
	"strings"
)

// blank is what separates words on a line. The carriage return is among them,
// so that files edited on Windows read the same.
const blank = " \t\r"

// cutWord returns the first word of a line and what follows it, trimmed.
func cutWord(line string) (word, rest string) {
	line = strings.Trim(line, blank)
	if end := strings.IndexAny(line, blank); end >= 0 {
		return line[:end], strings.Trim(line[end:], blank)
	}
	return line, ""
}

// cutQuoted returns the text between the quotes a line begins with, and what
// follows it, trimmed. There is no way to write a quote inside.
func cutQuoted(line string) (text, rest string, err error) {
	quoted, ok := strings.CutPrefix(line, `"`)
	if !ok {
		return "", "", fmt.Errorf("no quoted text at %s", excerpt(line))
	}
	text, rest, ok = strings.Cut(quoted, `"`)
	if !ok {
		return "", "", fmt.Errorf("closing quote missing after %s", excerpt(quoted))
	}
	return text, strings.Trim(rest, blank), nil
}

// parseValue reads the right side of an assignment: quoted text, or bare text
// up to a comment or the end of the line.
func parseValue(s string) (string, error) {
	s = strings.Trim(s, blank)
	if !strings.HasPrefix(s, `"`) {
		bare, _, _ := strings.Cut(s, "#")
		if strings.Contains(bare, `"`) {
			return "", fmt.Errorf("stray quote in %s", excerpt(s))
		}
		return strings.Trim(bare, blank), nil
	}
	text, rest, err := cutQuoted(s)
	if err != nil {
		return "", err
	}
	if rest != "" && rest[0] != '#' {
		return "", fmt.Errorf("text after the closing quote: %s", excerpt(rest))
	}
	return text, nil
}

// excerpt quotes text of a file for an error, which must stay readable even if
// the line is a mebibyte of rubbish.
func excerpt(s string) string {
	return fmt.Sprintf("%.60q", s)
}
