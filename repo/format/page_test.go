package format

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// dumpLine is a line of a hex dump: offset, up to 16 bytes, a note.
var dumpLine = regexp.MustCompile(`^([0-9a-f]{4})  ((?:[0-9a-f]{2} ){0,15}[0-9a-f]{2})(?:  +\S.*)?$`)

// dumps are the objects of docs/format.md section 13, in their order.
func dumps(t *testing.T) [][]byte {
	t.Helper()
	page, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## 13. ")
	if !found {
		t.Fatal("docs/format.md has no section 13")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all [][]byte
	for i, part := range strings.Split(section, "```") {
		text, isDump := strings.CutPrefix(part, "hex\n")
		if i%2 == 0 || !isDump {
			continue
		}
		var object []byte
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			m := dumpLine.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("line %q is no line of a dump", line)
			}
			if want := fmt.Sprintf("%04x", len(object)); m[1] != want {
				t.Errorf("line %q should begin with %s", line, want)
			}
			object = append(object, unhex(strings.ReplaceAll(m[2], " ", ""))...)
		}
		all = append(all, object)
	}
	return all
}

func TestWorkedExampleIsWhatWeWrite(t *testing.T) {
	r, p := records(t), packs()
	objects := []object{r[0], r[1], p[0], p[1], r[2], r[3], r[4], p[2]}
	page := dumps(t)
	if len(page) != len(objects) {
		t.Fatalf("the page has %d objects, want %d", len(page), len(objects))
	}
	for i, o := range objects {
		if !bytes.Equal(page[i], o.bytes) {
			t.Errorf("%s on the page:\n%x, encoded:\n%x", o.name, page[i], o.bytes)
		}
	}
}

// From the page alone a reader comes from the manifest to each file's bytes.
func TestWorkedExampleReadsBack(t *testing.T) {
	page := dumps(t)
	if len(page) < 8 {
		t.Fatalf("the page has %d objects", len(page))
	}
	config, err := ParseConfig(page[0])
	if err != nil || config != sampleConfig() {
		t.Errorf("config is %+v, %v", config, err)
	}
	session, err := ParseSession(sampleSession, sampleRepo, page[1])
	if err != nil || session != sampleSessionRecord() {
		t.Errorf("session is %+v, %v", session, err)
	}
	m, err := ParseManifest(sampleSession, sampleRepo, page[4])
	if err != nil || m.Generation() != "2026-11-23T041601Z" || len(m.Files) != 2 || len(m.Packs) != 2 {
		t.Fatalf("manifest is %+v, %v", m, err)
	}
	grains := map[ID][]byte{}
	for i, p := range m.Packs {
		b := page[2+i]
		table, err := parsePack(samplePackName(p.Number), b)
		if err != nil || len(b) != int(p.Size) || len(table.Entries) != int(p.Entries) || table.Kind != p.Kind {
			t.Fatalf("pack %d is %+v, %v; the manifest says %+v", i+1, table, err, p)
		}
		plain, ok := plainGrains(b, table, nil)
		if !ok {
			t.Fatalf("grains of pack %d do not match their IDs", i+1)
		}
		for j, e := range table.Entries {
			grains[e.ID] = plain[j]
		}
	}
	if got := grains[m.Files[1].Root]; string(got) != "displayName = \"web\"\n" {
		t.Errorf("web.vmx holds %q", got)
	}
	disk := Tree{Size: m.Files[0].Size, Grain: config.Grain}
	if disk.Height() != 1 {
		t.Fatalf("the disk's tree has the height %d", disk.Height())
	}
	node, err := ParseNode(grains[m.Files[0].Root], 1, disk.Grains())
	if err != nil || !node[0].IsZero() || !bytes.Equal(grains[node[1]], repeat('g', 65536)) {
		t.Errorf("the disk's node is %v, %v", node, err)
	}
	if m, err := ParseManifest(sampleSession, sampleRepo, page[5]); m != nil || err != nil {
		t.Errorf("the revocation is %+v, %v", m, err)
	}
	if f, err := ParseForget(sampleSession, sampleRepo, page[6]); f != sampleForget() || err != nil {
		t.Errorf("the forget record is %+v, %v", f, err)
	}
	patches, err := parsePack(PackName{Session: sampleLater, Number: 1}, page[7])
	if err != nil || patches.Kind != Patches {
		t.Fatalf("the pack of patches is %+v, %v", patches, err)
	}
	if plain, ok := plainGrains(page[7], patches, grains); !ok || !bytes.Equal(plain[0], samplePatched()) {
		t.Errorf("the patched grain cannot be made: %v", ok)
	}
}

// The ID of a data grain is what b3sum says.
func TestIDsAreBLAKE3(t *testing.T) {
	const abc = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"
	if got := NewHasher().ID(Data, []byte("abc")).String(); got != abc {
		t.Errorf("ID of abc is %s, want %s", got, abc)
	}
}
