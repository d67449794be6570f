package capture

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadTeam(t *testing.T) {
	for what, test := range map[string]struct {
		text string
		want []string // relative to the team's folder
	}{
		"as .vmxf is": {`<?xml version="1.0"?>
<Foundry><VM><VMId type="string">52 9a</VMId><vmxPathName type="string">db/db.vmx</vmxPathName></VM>
<VM><vmxPathName type="string">../web &amp; co/web.vmx</vmxPathName></VM></Foundry>`, []string{"db/db.vmx", "../web & co/web.vmx"}},
		"with other elements":      {`<a><b><x>  db.VMX </x><start>2</start></b><y>db.VMX</y><z>web.vmx</z></a>`, []string{"db.VMX", "web.vmx"}},
		"with backslashes":         {`<a><x>db\db.vmx</x></a>`, []string{"db/db.vmx"}},
		"absolute":                 {`<a><x>/elsewhere/db.vmx</x></a>`, []string{"/elsewhere/db.vmx"}},
		"in another charset":       {"<?xml version=\"1.0\" encoding=\"windows-1252\"?><a><x>b\xfcro.vmx</x></a>", []string{"b\xfcro.vmx"}},
		"with a byte order mark":   {"\xef\xbb\xbf<a><x>db.vmx</x></a>", []string{"db.vmx"}},
		"as lines":                 {"vm0.vmx = \"db/db.vmx\"\r\nvm1.vmx = web.vmx\n", []string{"db/db.vmx", "web.vmx"}},
		"that breaks off":          {`<a><x>db.vmx</x><x>web.v`, nil},
		"with nothing":             {"", nil},
		"with an unrelated file":   {`<a><x>db.vmdk</x></a>`, nil},
		"with a path of NUL in it": {"<a><x>d\x00b.vmx</x></a>", nil},
	} {
		t.Run(what, func(t *testing.T) {
			dir := folder(t, map[string]string{"shop.vmtm": test.text})
			team, err := ReadTeam(filepath.Join(dir, "shop.vmtm"))
			if len(test.want) == 0 {
				if err == nil {
					t.Fatalf("read as %q", team.Members)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, name := range test.want {
				want = append(want, resolve(dir, name))
			}
			if team.Name != "shop" || !slices.Equal(team.Members, want) {
				t.Errorf("team %q of %q, want %q", team.Name, team.Members, want)
			}
		})
	}
}

func TestTeamWithoutMembers(t *testing.T) {
	dir := folder(t, map[string]string{"shop.vmtm": "<a/>"})
	if _, err := ReadTeam(filepath.Join(dir, "shop.vmtm")); !errors.Is(err, ErrNoMembers) || Hint(err) == "" {
		t.Errorf("error %v, hint %q", err, Hint(err))
	}
}

func FuzzTeam(f *testing.F) {
	f.Add([]byte("<a><x>db.vmx</x></a>"))
	f.Add([]byte("vm0 = \"db.vmx\"\n"))
	f.Add([]byte("<!DOCTYPE a [<!ENTITY b \"c.vmx\">]><a>&b;</a>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := teamMembers(data)
		for _, name := range names {
			if err == nil && !strings.EqualFold(filepath.Ext(name), ".vmx") {
				t.Errorf("%q is a member", name)
			}
		}
	})
}
