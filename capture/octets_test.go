package capture

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"
)

// What recovery has to know comes back byte for byte, whatever it holds.
func TestIntentIsKeptByteForByte(t *testing.T) {
	for _, name := range []string{"/vms/web.vmx", "/vms/b\xfcro/\xff.vmx", "/vms/\uf7fc/\xfc.vmx", "a\nb", "\uf780\x80", ""} {
		want := Intent{VMX: name, Target: name, Export: name, Found: Running, Method: StopSnapshot, Snapshot: "granary-1",
			Thaw: []string{name, "x"}, Driver: map[string]string{"datastore." + name: name}, Host: name}
		data, err := json.Marshal(record{Step: stepBegin, Intent: &want})
		if err != nil || !utf8.Valid(data) {
			t.Fatalf("%q: %v", name, err)
		}
		var got record
		if err := json.Unmarshal(data, &got); err != nil || !reflect.DeepEqual(*got.Intent, want) {
			t.Errorf("%+v\ncame back as\n%+v, %v", want, got.Intent, err)
		}
	}
}

func FuzzHiddenBytes(f *testing.F) {
	f.Add("/vms/b\xfcro.vmx")
	f.Add("\uf7fc\xfc")
	f.Fuzz(func(t *testing.T, text string) {
		hidden := hideBytes(text)
		if !utf8.ValidString(hidden) || showBytes(hidden) != text {
			t.Errorf("%q became %q and %q", text, hidden, showBytes(hidden))
		}
	})
}
