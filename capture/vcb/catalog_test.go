package vcb

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sampleCatalog = `version= "esx-3.0"
display_name= "web "1""
disk.scsi0:0.filename= "scsi0-0-0-web.vmdk"
disk.scsi0:0.diskname= "[storage1] web/web.vmdk"
config.vmx= "[storage1] web/web.vmx"
host= "esx1.example"
resourcepool= "/ha-folder-root/ha-datacenter/host/esx1/Resources"
`

func TestCatalog(t *testing.T) {
	t.Parallel()
	c, err := ParseCatalog([]byte(sampleCatalog))
	if err != nil {
		t.Fatal(err)
	}
	if c.VMX() != "[storage1] web/web.vmx" || c.DiskFile("scsi0:0") != "scsi0-0-0-web.vmdk" || c.DiskFile("scsi0:1") != "" {
		t.Errorf("%+v", c)
	}
	if name, ok := c.Get("Display_Name"); !ok || name != `web "1"` {
		t.Errorf("display name %q, %t", name, ok)
	}
	if value, ok := c.Get("absent"); ok {
		t.Errorf("absent is %q", value)
	}
}

func TestCatalogTolerates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\xef\xbb\xbfhost= \"a\"\r\n":        "a",
		"host=a":                             "a",
		"\thost =\t\"a b\" \n":               "a b",
		"nonsense\n\n# x=y\n=z\nhost= \"a\"": "a",
		"host= \"a\"\nhost= \"b\"\n":         "b",
		"host= \"a=b\"":                      "a=b",
		"host= \"caf\xe9\"":                  "caf\xe9",
		"host= \"":                           `"`,
		"host=":                              "",
	} {
		c, err := ParseCatalog([]byte(text))
		if got, ok := c.Get("host"); err != nil || !ok || got != want {
			t.Errorf("%q: %q, %t, %v", text, got, ok, err)
		}
	}
}

func TestCatalogRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n\n", "nothing here", "= \"x\"", "# a=b", strings.Repeat("a=b\n", maxCatalog/4+1)} {
		if c, err := ParseCatalog([]byte(text)); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%.20q: %+.50v, %v", text, c, err)
		}
	}
}

func TestReadCatalog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := ReadCatalog(filepath.Join(dir, "absent")); !errors.Is(err, ErrIncomplete) {
		t.Errorf("absent: %v", err)
	}
	path := filepath.Join(dir, catalogName)
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "elsewhere"), []byte(sampleCatalog), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCatalog(dir); !errors.Is(err, ErrIncomplete) {
		t.Errorf("a link: %v", err)
	}
	if err := os.Rename(filepath.Join(dir, "elsewhere"), path); err != nil {
		t.Fatal(err)
	}
	if c, err := ReadCatalog(dir); err != nil || c.VMX() == "" {
		t.Errorf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, make([]byte, maxCatalog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCatalog(dir); !errors.Is(err, ErrIncomplete) {
		t.Errorf("too large: %v", err)
	}
}

func FuzzParseCatalog(f *testing.F) {
	for _, seed := range []string{sampleCatalog, "", "=", "a=\"", "a= \"\"\nA= \"b\"\n", "\xef\xbb\xbfk=v\r\n", "k\x00= \"v\x00\"", "host= \"caf\xe9\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCatalog(data)
		if err != nil {
			if !errors.Is(err, ErrIncomplete) || len(c.pairs) > 0 {
				t.Fatalf("%+v, %v", c, err)
			}
			return
		}
		for _, p := range c.pairs {
			if p.key == "" || strings.ContainsAny(p.key+p.value, "\n") {
				t.Fatalf("pair %q", p)
			}
			if _, ok := c.Get(p.key); !ok {
				t.Fatalf("%q is there and is not found", p.key)
			}
		}
	})
}
