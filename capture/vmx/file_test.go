package vmx

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return f
}

func parseSample(t *testing.T, name string) *File {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, string(data))
}

func TestGrammar(t *testing.T) {
	tests := []struct {
		name, line, want string
	}{
		{"quoted", `key = "a value"`, "a value"},
		{"no blanks", `key="v"`, "v"},
		{"tabs", "\tkey\t=\t\"v\"\t", "v"},
		{"bare", `key = v`, "v"},
		{"bare ends at blank before comment", `key = v # why`, "v"},
		{"bare ends at comment", `key = v#why`, "v"},
		{"bare with quote inside", `key = v"w`, `v"w`},
		{"empty bare", `key =`, ""},
		{"empty bare with comment", `key = # nothing`, ""},
		{"empty quoted", `key = ""`, ""},
		{"comment after quoted", `key = "v" # "w"`, "v"},
		{"hash inside quotes", `key = "a#b"`, "a#b"},
		{"equals inside quotes", `key = "a=b"`, "a=b"},
		{"CRLF", "key = \"v\"\r\n", "v"},
		{"CRLF after bare", "key = v\r\n", "v"},
		{"lone CR is data", "key = \"v\r\"", "v\r"},
		{"case of keys", `KeY = "v"`, "v"},
		{"escaped quote and bar", `key = "|22a|7Cb|7c|22"`, `"a|b|"`},
		{"escape in bare value", `key = a|20b`, "a b"},
		{"escaped newline", `key = "a|0Ab"`, "a\nb"},
		{"escaped multi-byte", `key = "|c3|a9"`, "é"},
		{"NUL ends the value", `key = "a|00b"`, "a"},
		{"bar without digits", `key = "a|b|"`, "a|b|"},
		{"bar with one digit at end", `key = "a|4"`, "a|4"},
		{"a broken escape takes its breaker along", `key = "||41|4|41"`, "||41|4|41"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustParse(t, tt.line)
			got, ok := f.Get("kEy")
			if !ok || got != tt.want {
				t.Errorf("Get = %q, %v; want %q", got, ok, tt.want)
			}
			if lines := f.Malformed(); len(lines) != 0 {
				t.Errorf("Malformed = %v", lines)
			}
		})
	}
}

func TestMalformedLines(t *testing.T) {
	f := mustParse(t, strings.Join([]string{
		`#!/usr/bin/vmware`,
		``,
		`good = "1"`,
		`bad = "no closing quote`,
		`bad = "v" w`,
		`bad = v w`,
		`= "v"`,
		`just words`,
		`bad # = "v"`,
		"  \t",
		`good2 = "2"`,
	}, "\n"))
	if want := []int{4, 5, 6, 7, 8, 9}; !slices.Equal(f.Malformed(), want) {
		t.Errorf("Malformed = %v, want %v", f.Malformed(), want)
	}
	if _, ok := f.Get("bad"); ok {
		t.Error("a malformed line assigned a value")
	}
	if v, _ := f.Get("good2"); v != "2" {
		t.Error("a malformed line swallowed what follows")
	}

	f = mustParse(t, strings.Repeat("bad\n", 1000)+"a = b\n")
	if n := len(f.Malformed()); n != maxMalformed {
		t.Errorf("%d malformed lines kept, want %d", n, maxMalformed)
	}
}

func TestLastAssignmentCounts(t *testing.T) {
	f := mustParse(t, "a = 1\nA = 2\n")
	if v, _ := f.Get("a"); v != "2" {
		t.Errorf("a = %q", v)
	}
}

func TestKeysFoldASCIIOnly(t *testing.T) {
	// Neither Unicode's case rules nor damage to bytes that are not UTF-8 may
	// make two keys one.
	f := mustParse(t, "\u212Aey = 1\n\xffa = 2\n\xfea = 3\n")
	if _, ok := f.Get("key"); ok {
		t.Error("the Kelvin sign was taken for a k")
	}
	if v, _ := f.Get("\xffA"); v != "2" {
		t.Errorf("value %q, want 2", v)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, input, message string
	}{
		{"empty", "", "no line"},
		{"only comments", "#!/usr/bin/vmware\n\n", "no line"},
		{"other text", "Lorem ipsum\ndolor sit amet\n", "no line"},
		{"binary", "\x7fELF\x02\x01\x01\x00\x00", "NUL at byte 7"},
		{"UTF-16", "\xff\xfea\x00 \x00=\x00", "UTF-16"},
		{"NUL at the end", "a = b\n\x00", "NUL at byte 6"},
		{"too large", "a = b\n" + strings.Repeat("#", MaxSize), "at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.input))
			if !errors.Is(err, ErrNotVMX) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("error %v, want ErrNotVMX with %q", err, tt.message)
			}
		})
	}
	if _, err := Parse(append([]byte("a = b\n"), bytes.Repeat([]byte{'#'}, MaxSize-6)...)); err != nil {
		t.Errorf("MaxSize bytes: %v", err)
	}
}

func TestBool(t *testing.T) {
	for value, want := range map[string]bool{
		"TRUE": true, "true": true, "True": true, "1": true, "yes": true, "ON": true, " TRUE ": true, "t": true, "Y": true,
		"FALSE": false, "0": false, "no": false, "off": false, "": false, "2": false, "truely": false,
	} {
		f := mustParse(t, `key = "`+value+`"`)
		if got := f.Bool("KEY"); got != want {
			t.Errorf("Bool of %q = %v", value, got)
		}
	}
	if mustParse(t, "a = b").Bool("key") {
		t.Error("an absent key is true")
	}
}

func TestMachine(t *testing.T) {
	f := parseSample(t, "workstation.vmx")
	if got, want := f.DisplayName(), `Büro "web" | 1`; got != want {
		t.Errorf("DisplayName = %q, want %q", got, want)
	}
	if got, want := f.UUID(), "564d8c481de953129e2396ef90e27a17"; got != want {
		t.Errorf("UUID = %q, want %q", got, want)
	}
	if f.NVRAM() != "web.nvram" || f.SuspendState() != "" || !f.AutoAnswer() || f.Encrypted() {
		t.Errorf("nvram %q, suspended %q, auto-answer %v, encrypted %v",
			f.NVRAM(), f.SuspendState(), f.AutoAnswer(), f.Encrypted())
	}

	f = parseSample(t, "windows.vmx")
	if f.DisplayName() != "Büro €" || f.SuspendState() != "Büro.vmss" || f.AutoAnswer() || f.UUID() != "" || f.NVRAM() != "" {
		t.Errorf("display name %q, suspended %q, auto-answer %v, UUID %q, nvram %q",
			f.DisplayName(), f.SuspendState(), f.AutoAnswer(), f.UUID(), f.NVRAM())
	}
}

func TestUUID(t *testing.T) {
	const want = "564d8c481de953129e2396ef90e27a17"
	for value, want := range map[string]string{
		"56 4d 8c 48 1d e9 53 12-9e 23 96 ef 90 e2 7a 17":   want,
		"564D8C48-1DE9-5312-9E23-96EF90E27A17":              want,
		"564d8c481de953129e2396ef90e27a17":                  want,
		"":                                                  "",
		"56 4d 8c 48 1d e9 53 12-9e 23 96 ef 90 e2 7a":      "",
		"56 4d 8c 48 1d e9 53 12-9e 23 96 ef 90 e2 7a 1g":   "",
		"56 4d 8c 48 1d e9 53 12-9e 23 96 ef 90 e2 7a 17 1": "",
	} {
		if got := mustParse(t, `uuid.bios = "`+value+`"`).UUID(); got != want {
			t.Errorf("UUID of %q = %q, want %q", value, got, want)
		}
	}
}

func TestEncrypted(t *testing.T) {
	for line, want := range map[string]bool{
		`vmx.encryptionType = "partial"`:                   true,
		`encryption.keySafe = "vmware:key/list/(pair/())"`: true,
		`Encryption.Data = "c2VjcmV0"`:                     true,
		`encryption.data = ""`:                             false,
		`encryption.bundle = "x"`:                          false,
	} {
		if got := mustParse(t, line).Encrypted(); got != want {
			t.Errorf("%s: Encrypted = %v", line, got)
		}
	}
}
