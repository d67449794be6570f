package vmrun

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
)

func utf16Of(text string, order binary.AppendByteOrder) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = order.AppendUint16(b, unit)
	}
	return b
}

// dresses are how consoles and pipes change what vmrun prints.
var dresses = map[string]func(string) []byte{
	"plain":                func(s string) []byte { return []byte(s) },
	"CRLF":                 func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) },
	"CR alone":             func(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r")) },
	"no end":               func(s string) []byte { return []byte(strings.TrimSuffix(s, "\n")) },
	"byte order mark":      func(s string) []byte { return []byte("\ufeff" + s) },
	"UTF-16LE with a mark": func(s string) []byte { return utf16Of("\ufeff"+s, binary.LittleEndian) },
	"UTF-16BE with a mark": func(s string) []byte { return utf16Of("\ufeff"+s, binary.BigEndian) },
	"UTF-16LE":             func(s string) []byte { return utf16Of(s, binary.LittleEndian) },
	"UTF-16BE":             func(s string) []byte { return utf16Of(s, binary.BigEndian) },
	"UTF-16LE with CRLF": func(s string) []byte {
		return utf16Of("\ufeff"+strings.ReplaceAll(s, "\n", "\r\n"), binary.LittleEndian)
	},
	"colours": func(s string) []byte {
		return []byte("\x1b]0;vmrun\x07\x1b[2J" + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\x1b[0m\n\x1b[1;31m") + "\x1b[0m\n")
	},
	"progress": func(s string) []byte { return []byte("  1%\r 99%\r" + s) },
	"noise": func(s string) []byte {
		return []byte("2013-09-07T15:26:59.560| ServiceImpl_Opener: PID 4119\nRetries: 30\n" + s)
	},
}

func TestDresses(t *testing.T) {
	t.Parallel()
	for name, dress := range dresses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, script{
				"list":            {{Out: dress("Total running VMs: 2\n/vm/Schön/a.vmx\n/vm/b b.vmx\n")}, {Out: dress("Total running VMs: 0\n")}},
				"listSnapshots":   {{Out: dress("Total snapshots: 2\nbase\n\tgranary-1\n")}},
				"checkToolsState": {{Out: dress("running\n")}},
				"suspend":         {{Out: dress("Error: The operation was canceled by geheim\n"), Exit: 255}},
			})
			ctx := context.Background()
			if l, err := f.List(ctx); err != nil || strings.Join(l, "|") != "/vm/Schön/a.vmx|/vm/b b.vmx" {
				t.Errorf("list %q, %v", l, err)
			}
			if l, err := f.List(ctx); err != nil || len(l) != 0 {
				t.Errorf("empty list %q, %v", l, err)
			}
			if l, err := f.Snapshots(ctx, f.vmx); err != nil || strings.Join(l, "|") != "base|granary-1" {
				t.Errorf("snapshots %q, %v", l, err)
			}
			if s, err := f.ToolsState(ctx, f.vmx); err != nil || s != "running" {
				t.Errorf("state %q, %v", s, err)
			}
			f.VMPassword = "geheim"
			err := f.Suspend(ctx, f.vmx, Hard)
			var e *Error
			if !errors.As(err, &e) || e.Unwrap() != ErrCanceled {
				t.Fatalf("error %v", err)
			}
			if letters := strings.ReplaceAll(e.Message+e.Output, "\x00", ""); strings.Contains(letters, "geheim") {
				t.Errorf("the password shows in %q", letters)
			}
		})
	}
}
