package dictionary

import "testing"

const sample = "#!/usr/bin/vmware\n.encoding = \"UTF-8\"\nscsi0:0.fileName = \"web.vmdk\"\nmemsize = 512 # bare\nannotation = \"say |22hi|22|0A\"\nnot a pair\n"

func TestKeepsWhatItDoesNotTouch(t *testing.T) {
	if got := string(Parse([]byte(sample)).Bytes()); got != sample {
		t.Fatalf("Bytes = %q, want %q", got, sample)
	}
}

func TestLookupAndSet(t *testing.T) {
	d := Parse([]byte(sample))
	for name, want := range map[string]string{
		"SCSI0:0.FILENAME": "web.vmdk", "memsize": "512", "annotation": "say \"hi\"\n", "absent": "",
	} {
		if got := d.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
	d.Set("SCSI0:0.fileName", `a|b"c.vmdk`)
	d.Set("new", "1")
	again := Parse(d.Bytes())
	if got := again.Get("scsi0:0.fileName"); got != `a|b"c.vmdk` {
		t.Errorf("after Set: %q", got)
	}
	if names := again.Names(); len(names) != 5 || names[4] != "new" {
		t.Errorf("Names = %q", names)
	}
}
