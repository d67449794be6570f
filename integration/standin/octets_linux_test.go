package standin

import (
	"encoding/json"
	"testing"
)

// The log keeps what JSON has no word for.
func TestOctets(t *testing.T) {
	for text, want := range map[string]string{
		"": `""`, "Ärger \"1\"\n": `"Ärger \"1\"\n"`, "\ufffd": "\"\ufffd\"", "caf\xe9": `{"base64":"Y2Fm6Q=="}`,
	} {
		data, err := json.Marshal(octets(text))
		if err != nil || string(data) != want {
			t.Errorf("%q is %s, %v, want %s", text, data, err, want)
		}
		var back octets
		if err := json.Unmarshal(data, &back); err != nil || string(back) != text {
			t.Errorf("%s is %q, %v, want %q", data, back, err, text)
		}
	}
	var o octets
	if err := json.Unmarshal([]byte("7"), &o); err == nil {
		t.Error("a number was taken for text")
	}
}
