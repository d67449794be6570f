package host

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLocal(t *testing.T) {
	h := Host{Datastores: map[string]string{"ds1": "/mnt/ds1", "with blank": "/mnt/two"}}
	for vm, want := range map[string]string{
		"/vms/web/web.vmx":              "/vms/web/web.vmx",
		"[ds1] web/web.vmx":             "/mnt/ds1/web/web.vmx",
		"[ds1]web/web.vmx":              "/mnt/ds1/web/web.vmx",
		"[with blank] ü/;rm -rf/x.vmx":  "/mnt/two/ü/;rm -rf/x.vmx",
		"[ds1] ../../etc/shadow.vmx":    "/mnt/ds1/etc/shadow.vmx",
		"[ds1] a/../../b/x.vmx":         "/mnt/ds1/b/x.vmx",
		"[ds2] web/web.vmx":             "",
		"[ds1] ":                        "",
		"[ds1] ..":                      "",
		"[ no datastore, but a folder/": "[ no datastore, but a folder/",
	} {
		got, err := h.Local(vm)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", vm, got, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for what, test := range map[string]struct {
		host Host
		want string // in the error; empty for none
	}{
		"nothing":              {Host{}, ""},
		"a driver":             {Host{Driver: "floppy"}, "want vmrun, vcb, files"},
		"a type":               {Host{Type: "toaster"}, "want ws, ws-shared"},
		"esx without host":     {Host{Type: "esx"}, "the address of the host is missing"},
		"vc with host":         {Host{Type: "vc", Address: "vc1"}, ""},
		"a port":               {Host{Port: 70000}, "port 70000"},
		"vcb":                  {Host{Driver: VCB, Address: "vc1", ExportDir: "/tmp"}, ""},
		"vcb without folder":   {Host{Driver: VCB, Address: "vc1"}, "the folder for exports is missing"},
		"vcb, relative folder": {Host{Driver: VCB, Address: "vc1", ExportDir: "tmp"}, "absolute"},
		"vcb without host":     {Host{Driver: VCB, ExportDir: "/tmp"}, "the address of the ESX or vCenter host is missing"},
		"a URL":                {Host{Type: "vc", Address: "https://vc1.example.org:8443/sdk"}, ""},
		"an IPv6 address":      {Host{Type: "vc", Address: "[fe80::1%eth0]:443"}, ""},
		"a login":              {Host{Driver: VCB, Address: "root:s3cret@esx1", ExportDir: "/tmp"}, "without a login"},
		"a login in a URL":     {Host{Type: "esx", Address: "https://root:s3cret@esx1/sdk"}, "without a login"},
		"a blank":              {Host{Type: "esx", Address: "esx1 s3cret"}, "a blank"},
		"a line break":         {Host{Type: "esx", Address: "esx1\n"}, "a control character"},
		"a datastore":          {Host{Datastores: map[string]string{"a]": "/mnt"}}, "brackets"},
		"its folder":           {Host{Datastores: map[string]string{"a": "mnt"}}, "absolute"},
	} {
		err := test.host.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", what, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: the error repeats the secret: %v", what, err)
		}
	}
}

// Recovery reaches what the capture did, and the journal holds no password.
func TestFactsBringTheHostBack(t *testing.T) {
	t.Setenv("ESX_SECRET", "geheim")
	h := Host{Driver: VCB, Type: "esx", Program: "/opt/vmrun", Address: "esx1", Port: 902, User: "backup",
		Password: Secret{Env: "ESX_SECRET"}, VMPassword: Secret{File: "/etc/vm"}, Guest: Login{"root", Secret{File: "/etc/guest"}},
		Datastores: map[string]string{"a=b": "/mnt/a", "ü": "/mnt/b"}, Deadlines: Deadlines{Stop: time.Minute, Export: time.Hour},
		Mounter: "/opt/vcbMounter", Mode: "san", ExportDir: "/tmp", Monolithic: true}
	facts := h.Facts()
	back, err := FromFacts(facts)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, h) {
		t.Errorf("%+v\ncame back as\n%+v", h, back)
	}
	if text, err := json.Marshal(facts); err != nil || strings.Contains(string(text), "geheim") {
		t.Errorf("the facts are %s, %v", text, err)
	}
}

// Each field of a host is among its facts, or recovery would use another.
func TestFactsAreComplete(t *testing.T) {
	whole := len(Host{Driver: "x", Type: "x", Program: "x", Address: "x", Port: 1, User: "x", Password: Secret{"x", "x"},
		VMPassword: Secret{"x", "x"}, Guest: Login{"x", Secret{"x", "x"}}, Datastores: map[string]string{"x": "x"},
		Mounter: "x", Mode: "x", ExportDir: "x", Monolithic: true}.Facts())
	var fields func(reflect.Type) int
	fields = func(t reflect.Type) (n int) {
		for i := range t.NumField() {
			if f := t.Field(i).Type; f.Kind() == reflect.Struct && f != reflect.TypeFor[Deadlines]() {
				n += fields(f)
			} else if f != reflect.TypeFor[Deadlines]() {
				n++
			}
		}
		return n
	}
	if n := fields(reflect.TypeFor[Host]()); n != whole {
		t.Errorf("%d fields, %d facts", n, whole)
	}
}

func TestDeadlines(t *testing.T) {
	var d Deadlines
	if err := d.Set("delete-snapshot", "2h"); err != nil || d.DeleteSnapshot != 2*time.Hour {
		t.Errorf("set to %v, %v", d.DeleteSnapshot, err)
	}
	for name, value := range map[string]string{"nap": "1s", "stop": "soon", "start": "0s", "snapshot": "-1s"} {
		if err := d.Set(name, value); err == nil {
			t.Errorf("%s=%s was taken", name, value)
		}
	}
	if n := reflect.TypeFor[Deadlines]().NumField(); n != len(d.named()) {
		t.Errorf("%d deadlines, %d have a name", n, len(d.named()))
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("GRANARY_TEST_SECRET", "from the environment")
	for what, test := range map[string]struct {
		secret Secret
		want   string
		fails  bool
	}{
		"none":               {Secret{}, "", false},
		"a line":             {Secret{File: file("line", "pass word \n")}, "pass word ", false},
		"a line of Windows":  {Secret{File: file("crlf", "pass\r\nmore\r\n")}, "pass", false},
		"no line end":        {Secret{File: file("bare", "pass")}, "pass", false},
		"an empty file":      {Secret{File: file("empty", "\n")}, "", true},
		"no file":            {Secret{File: filepath.Join(dir, "nowhere")}, "", true},
		"a file too long":    {Secret{File: file("long", strings.Repeat("x", 100<<10))}, "", true},
		"a variable":         {Secret{Env: "GRANARY_TEST_SECRET"}, "from the environment", false},
		"no such variable":   {Secret{Env: "GRANARY_TEST_NOTHING"}, "", true},
		"a file, a variable": {Secret{File: file("both", "x"), Env: "GRANARY_TEST_SECRET"}, "", true},
	} {
		got, err := test.secret.Read()
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "pass") && !strings.Contains(err.Error(), "password") {
			t.Errorf("%s: the error tells: %v", what, err)
		}
	}
}
