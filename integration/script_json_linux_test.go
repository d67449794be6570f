package integration

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// jsonAt returns what the last line on stdout holds at a path.
func jsonAt(ts *testscript.TestScript, path string) any {
	out := strings.TrimSpace(ts.ReadFile("stdout"))
	line := out[strings.LastIndexByte(out, '\n')+1:]
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	var v any
	ts.Check(decoder.Decode(&v))
	for key := range strings.SplitSeq(path, "/") {
		found := key == ""
		switch at := v.(type) {
		case map[string]any:
			if !found {
				v, found = at[key]
			}
		case []any:
			if i, err := strconv.Atoi(key); err == nil && 0 <= i && i < len(at) {
				v, found = at[i], true
			}
		}
		if !found {
			ts.Fatalf("there is no %s in %s", path, line)
		}
	}
	return v
}

// textOf is a value as JSON has it, but strings without quotes.
func textOf(ts *testscript.TestScript, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	ts.Check(err)
	return string(b)
}

func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH REGEXP")
	}
	text := textOf(ts, jsonAt(ts, args[0]))
	match, err := regexp.MatchString("^(?:"+args[1]+")$", text)
	ts.Check(err)
	if match == neg {
		ts.Fatalf("%s is %s", args[0], text)
	}
}

func scriptKeys(ts *testscript.TestScript, neg bool, args []string) {
	path := ""
	if len(args) > 0 && strings.HasPrefix(args[0], "/") {
		path, args = args[0][1:], args[1:]
	}
	object, ok := jsonAt(ts, path).(map[string]any)
	if neg || !ok {
		ts.Fatalf("usage: keys [/PATH] KEY..., of an object")
	}
	var got []string
	for key := range object {
		got = append(got, key)
	}
	slices.Sort(got)
	slices.Sort(args)
	if !slices.Equal(got, args) {
		ts.Fatalf("the keys are %q, want %q", got, args)
	}
}

func scriptLet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: let VARIABLE PATH")
	}
	ts.Setenv(args[0], textOf(ts, jsonAt(ts, args[1])))
}
