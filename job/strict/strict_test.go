package strict

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type inner struct {
	User string   `yaml:"user"`
	Args []string `yaml:"args"`
}

type sample struct {
	inner  `yaml:",inline"`
	Count  int               `yaml:"count"`
	On     bool              `yaml:"on"`
	Wait   time.Duration     `yaml:"wait"`
	Map    map[string]string `yaml:"map"`
	Nested inner             `yaml:"nested"`
	Maybe  *inner            `yaml:"maybe"`
	Later  Node              `yaml:"later"`
	Hidden string            `yaml:"-"`
}

func decode(t *testing.T, text string, into any) error {
	t.Helper()
	d, err := Parse("f.yaml", []byte(text))
	if err != nil {
		return err
	}
	d.Decode(d.Root(), into)
	return d.Err()
}

func TestDecodeWhatIsSure(t *testing.T) {
	full := inner{User: "a", Args: []string{"x", "5", "true"}}
	for _, c := range []struct {
		name, text string
		want       sample
	}{
		{"every kind", "user: a\nargs: [x, 5, true]\ncount: 7\non: true\nwait: 1h30m\nmap: {k: v}\nnested: {user: b}\n",
			sample{inner: full, Count: 7, On: true, Wait: 90 * time.Minute, Map: map[string]string{"k": "v"}, Nested: inner{User: "b"}}},
		{"days", "wait: 30d", sample{Wait: 30 * 24 * time.Hour}},
		{"weeks", "wait: 2w", sample{Wait: 14 * 24 * time.Hour}},
		{"a pointer", "maybe: {user: a}", sample{Maybe: &inner{User: "a"}}},
		{"CRLF and a byte order mark", "\ufeffuser: a\r\ncount: 2\r\n", sample{inner: inner{User: "a"}, Count: 2}},
		{"quotes keep what they hold", `user: "  a\tb # c"`, sample{inner: inner{User: "  a\tb # c"}}},
		{"no variable is expanded", `user: $HOME ${HOME}`, sample{inner: inner{User: "$HOME ${HOME}"}}},
		{"a block of text", "user: |\n  one\n  two\n", sample{inner: inner{User: "one\ntwo\n"}}},
		{"an alias", "nested: &n {user: a, args: [x]}\nmaybe: *n\n", sample{Nested: inner{"a", []string{"x"}}, Maybe: &inner{"a", []string{"x"}}}},
		{"a merged mapping gives way", "nested: &n {user: a, args: [x]}\nmaybe:\n  <<: *n\n  user: b\n",
			sample{Nested: inner{"a", []string{"x"}}, Maybe: &inner{"b", []string{"x"}}}},
		{"of merged ones, the first counts", "map: {k: v}\nnested: &n {user: a}\nlater: &m {user: b, args: [y]}\nmaybe: {<<: [*n, *m]}\n",
			sample{Map: map[string]string{"k": "v"}, Nested: inner{User: "a"}, Maybe: &inner{"a", []string{"y"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got sample
			if err := decode(t, c.text, &got); err != nil {
				t.Fatal(err)
			}
			got.Later = Node{}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDecodeLaysOver(t *testing.T) {
	args := []string{"kept"}
	got := sample{Count: 3, Nested: inner{User: "old", Args: args}, inner: inner{Args: args}}
	if err := decode(t, "nested: {user: new}\nargs: [fresh]\n", &got); err != nil {
		t.Fatal(err)
	}
	want := sample{Count: 3, Nested: inner{User: "new", Args: []string{"kept"}}, inner: inner{Args: []string{"fresh"}}}
	if !reflect.DeepEqual(got, want) || args[0] != "kept" {
		t.Errorf("got %+v, want %+v, and %q untouched", got, want, args)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "user: a\nsuer: b\n", `f.yaml:2:1: there is no key "suer" here: want args, count, later, map, maybe, nested, on, user, wait: suer: b`},
		{"unknown key below", "nested:\n  usr: b\n", `f.yaml:2:3: there is no key "usr" here: want args, user: usr: b`},
		{"doubled key", "user: a\nuser: b\n", `f.yaml:2:1: `},
		{"doubled key, otherwise quoted", "user: a\n\"user\": b\n", `f.yaml:2:1: `},
		{"a field that is no key", "\"-\": a", `there is no key "-" here`},
		{"a list for a text", "user: [a]", `want a text, got a list`},
		{"a text for a list", "args: a", `want a list, got a text`},
		{"a text for a mapping", "nested: a", `want a mapping of keys to values, got a text`},
		{"a list for a mapping", "nested: [a]", `want a mapping of keys to values, got a list`},
		{"no value", "user:\ncount: 1\n", `f.yaml:1:1: want a text, got no value: user:`},
		{"a fraction", "count: 1.5", `want a whole number, not below zero`},
		{"below zero", "count: -1", `want a whole number, not below zero`},
		{"a huge number", "count: 99999999999999999999", `want a whole number`},
		{"a number that looks octal to some", "count: 0x10", `want a whole number`},
		{"yes", "on: yes", `want true or false: "yes" is neither`},
		{"no unit", "wait: 90", `want a time like 90s, 5m, 1h30m or 30d`},
		{"a time below zero", "wait: -5s", `below zero`},
		{"a time too long", "wait: 99999d", `want a time`},
		{"a NUL", `user: "a\0b"`, `NUL`},
		{"a tag", "user: !!binary aGk=", `the tag !!binary`},
		{"an unknown alias", "user: *nobody", `f.yaml:1:`},
		{"an alias of itself", "nested: &n {user: *n}", `want a text, got a mapping`},
		{"a merge of itself", "nested: &n\n  <<: *n\n", `more than 200000 values`},
		{"an anchor set twice", "user: &a x\nargs: [&a y]\n", `the anchor "a" is set a second time`},
		{"two documents", "user: a\n---\nuser: b\n", `f.yaml:3:`},
		{"nothing", "# only a remark\n", `f.yaml: it is empty`},
		{"broken syntax", "user: [a\ncount: 1\n", `f.yaml:`},
		{"a list as key", "? [a]\n: b\n", `f.yaml:`},
		{"no UTF-8", "user: a\ncount: \xff\n", `f.yaml:2: this is not UTF-8`},
		{"too large", strings.Repeat("#", MaxSize+1), `more than`},
		{"nested in brackets", "args: " + strings.Repeat("[", 5000), `nested too deeply`},
		{"nested on a line", "args: " + strings.Repeat("- ", 5000), `nested too deeply`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got sample
			err := decode(t, c.text, &got)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAllProblemsAreTold(t *testing.T) {
	err := decode(t, "user: [a]\nsuer: b\ncount: -1\nnested: {usr: x, args: y}\n", &sample{})
	var lines []int
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, e := range joined.Unwrap() {
		var p *Problem
		if !errors.As(e, &p) || p.Path != "f.yaml" || p.Column == 0 || p.Source == "" {
			t.Fatalf("%v is no whole problem", e)
		}
		lines = append(lines, p.Line)
	}
	if fmt.Sprint(lines) != "[1 2 3 4 4]" {
		t.Errorf("problems on lines %v:\n%v", lines, err)
	}
}

func TestManyProblemsAreCounted(t *testing.T) {
	err := decode(t, strings.Repeat("- x: 1\n", 80), &[]inner{})
	if err == nil || !strings.Contains(err.Error(), "f.yaml: 30 more problems") {
		t.Errorf("got %v", err)
	}
}

// A password that stands where none belongs does not reach the log by way of
// the error.
func TestPasswordsAreNotShown(t *testing.T) {
	for _, text := range []string{
		"password: hunter2", "nested: {user: x, password: hunter2}", "nested:\n  \"Password\" : hunter2", "passwd: hunter2\n", "vm-secret: hunter2",
		"password: [hunter2\n", "count: x # password: hunter2", "count: root:hunter2@esx1", "nested: {address: \"root:hunter2@esx1\"}",
	} {
		err := decode(t, text, &sample{})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A small file cannot be made into a large one.
func TestAliasesAreBounded(t *testing.T) {
	text := "map: &a0 {k: v}\n"
	var lists strings.Builder
	lists.WriteString("- &l0 [x]\n")
	for i := range 30 {
		fmt.Fprintf(&lists, "- &l%d [*l%d, *l%d, *l%d, *l%d]\n", i+1, i, i, i, i)
	}
	type deep [][][][][][][][][][][][][]string
	began := time.Now()
	err := decode(t, lists.String(), new(deep))
	if err == nil {
		t.Error("a file of 4^12 texts was taken")
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s to refuse it", took)
	}
	if err := decode(t, text, &sample{}); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"user: a\nargs: [x, 5]\n", "nested: &n {user: a}\nmaybe: {<<: *n}\n", "a: &a [*a]", "? [a]\n: b", "- - - x", "user: |\n  x\n", "%YAML 1.2\n---\na", "!!map {}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got sample
		err := decode(t, string(data), &got)
		var p *Problem
		if errors.As(err, &p) && (p.Line < 1 || p.Column < 1) {
			t.Errorf("%v has no place", p)
		}
	})
}
