package job

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	commentLine = regexp.MustCompile(`^# (HELP|TYPE) ([a-z_]+) (.+)$`)
	sampleLine  = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (-?[0-9]+(?:\.[0-9]+)?)$`)
	labelPair   = regexp.MustCompile(`^([a-z_]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)`)
)

// parseMetrics reads an exposition as strictly as its specification allows: each
// family has its HELP, its TYPE, and its samples behind one another, no sample
// twice. It returns the samples by name and labels.
func parseMetrics(t *testing.T, text string) map[string]float64 {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	samples, ended := map[string]float64{}, map[string]bool{}
	family, typed := "", false
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if m := commentLine.FindStringSubmatch(line); m != nil {
			switch {
			case m[1] == "HELP" && !ended[m[2]]:
				ended[family] = true
				family, typed = m[2], false
			case m[1] == "TYPE" && m[2] == family && !typed && m[3] == "gauge":
				typed = true
			default:
				t.Errorf("this is out of place: %s", line)
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil || m[1] != family || !typed {
			t.Fatalf("this is no sample of %s: %q", family, line)
		}
		key := m[1]
		for rest := m[2]; rest != ""; {
			pair := labelPair.FindStringSubmatch(rest)
			if pair == nil {
				t.Fatalf("these are no labels: %s", rest)
			}
			value, err := strconv.Unquote(`"` + pair[2] + `"`)
			if err != nil {
				t.Fatal(err)
			}
			key += " " + pair[1] + "=" + value
			rest = rest[len(pair[0]):]
		}
		if _, twice := samples[key]; twice {
			t.Errorf("there are two of %s", key)
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		samples[key] = value
	}
	return samples
}

func write(t *testing.T, path string, records []Record) map[string]float64 {
	t.Helper()
	if err := WriteMetrics(path, records, 2, night); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseMetrics(t, string(text))
}

func TestMetrics(t *testing.T) {
	hostile := "a \"b\" \\ c\nd ü"
	good := newRecord("", "", outcomeOf(Task{VM: "/v", Name: hostile, HostName: "h"}, Captured, nil), nil)
	bad := newRecord("", "", outcomeOf(Task{VM: "/w", Name: "w"}, Failed, errors.New("no")), nil)
	path := filepath.Join(t.TempDir(), "granary.prom")
	samples := write(t, path, []Record{good, bad})
	of := " vm=" + hostile + " host=h path=/v"
	want := map[string]float64{
		"granary_vm_last_success_timestamp_seconds" + of:                    float64(night.Unix() + 60),
		"granary_vm_last_attempt_timestamp_seconds" + of:                    float64(night.Unix() + 60),
		"granary_vm_last_attempt_timestamp_seconds vm=w host= path=/w":      float64(night.Unix() + 60),
		"granary_vm_last_attempt_status" + of + " status=captured":          1,
		"granary_vm_last_attempt_status" + of + " status=partly":            0,
		"granary_vm_last_attempt_status" + of + " status=failed":            0,
		"granary_vm_last_attempt_status" + of + " status=skipped":           0,
		"granary_vm_last_attempt_status vm=w host= path=/w status=captured": 0,
		"granary_vm_last_attempt_status vm=w host= path=/w status=partly":   0,
		"granary_vm_last_attempt_status vm=w host= path=/w status=failed":   1,
		"granary_vm_last_attempt_status vm=w host= path=/w status=skipped":  0,
		"granary_vm_downtime_seconds" + of:                                  1.5,
		"granary_vm_duration_seconds" + of:                                  60,
		"granary_vm_stored_bytes" + of:                                      1000,
		"granary_vm_read_bytes" + of:                                        5000,
		"granary_journals_waiting":                                          2,
		"granary_run_timestamp_seconds":                                     float64(night.Unix()),
	}
	for key, value := range want {
		if got, ok := samples[key]; !ok || got != value {
			t.Errorf("%q: got %v (%v), want %v", key, got, ok, value)
		}
	}
	if len(samples) != len(want) {
		t.Errorf("%d samples, want %d: %v", len(samples), len(want), samples)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Names that are no UTF-8, and two records of one VM, must not make the
// collector refuse the file.
func TestMetricsOfOddRecords(t *testing.T) {
	odd := func(vm string) Record {
		return newRecord("", "", outcomeOf(Task{VM: vm}, Captured, nil), nil)
	}
	samples := write(t, filepath.Join(t.TempDir(), "m"), []Record{odd("/caf\xe9"), odd("/caf\xe8"), odd("/same"), odd("/same")})
	n := 0
	for key := range samples {
		if strings.HasPrefix(key, "granary_vm_downtime_seconds ") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d samples of three VMs: %v", n, samples)
	}
}

func TestMetricsAreReplacedWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m")
	many := make([]Record, 100)
	for i := range many {
		many[i] = newRecord("", "", outcomeOf(Task{VM: "/" + strconv.Itoa(i)}, Captured, nil), nil)
	}
	write(t, path, many)
	if samples := write(t, path, nil); len(samples) != 2 {
		t.Errorf("of the old file is left: %v", samples)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
	if err := WriteMetrics(filepath.Join(dir, "none", "m"), nil, 0, night); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteMetrics(filepath.Join(dir, "folder"), nil, 0, night); err == nil {
		t.Error("a folder was replaced")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("left behind by a failure: %v, %v", files, err)
	}
}
