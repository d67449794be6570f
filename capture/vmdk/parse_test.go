package vmdk

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
)

// minimal is a descriptor that lacks nothing, for tests to add to.
const minimal = "# Disk DescriptorFile\nversion=1\nCID=12345678\nRW 8 FLAT \"a.vmdk\" 0\n"

const esxDescriptor = `# Disk DescriptorFile
version=3
encoding="UTF-8"
CID=fffffffe
parentCID=9ab16ab9
isNativeSnapshot="no"
createType="vmfsSparse"
parentFileNameHint="/vmfs/volumes/store/web server/web.vmdk"
# Extent description
RW 41943040 VMFSSPARSE "web server-000001-delta.vmdk"

# Change Tracking File
changeTrackPath="web-000001-ctk.vmdk"

# The Disk Data Base
#DDB

ddb.longContentID = "e6d6c9b8c7164488a10a36b39ab16ab9"
ddb.uuid = "60 00 C2 94 44 3e 50 05-5c d6 e2 4f be 78 09 08"
`

func TestParseDescriptor(t *testing.T) {
	got, err := ParseDescriptor([]byte(esxDescriptor))
	if err != nil {
		t.Fatal(err)
	}
	want := &Descriptor{
		Version:            3,
		Encoding:           "UTF-8",
		CID:                0xfffffffe,
		ParentCID:          0x9ab16ab9,
		CreateType:         "vmfsSparse",
		ParentFileNameHint: "/vmfs/volumes/store/web server/web.vmdk",
		ChangeTrackPath:    "web-000001-ctk.vmdk",
		Extents: []Extent{
			{Access: "RW", Sectors: 41943040, Type: "VMFSSPARSE", File: "web server-000001-delta.vmdk"},
		},
		DDB: map[string]string{
			"longContentID": "e6d6c9b8c7164488a10a36b39ab16ab9",
			"uuid":          "60 00 C2 94 44 3e 50 05-5c d6 e2 4f be 78 09 08",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if !got.HasParent() || got.Device() || got.Capacity() != 20<<30 {
		t.Errorf("parent %v, device %v, capacity %d", got.HasParent(), got.Device(), got.Capacity())
	}
}

func TestParseDescriptorTolerates(t *testing.T) {
	tests := []struct {
		name, text string
	}{
		{"CRLF", strings.ReplaceAll(minimal, "\n", "\r\n")},
		{"no last newline", strings.TrimSuffix(minimal, "\n")},
		{"byte order mark", byteOrderMark + minimal},
		{"padding", minimal + "\x00\x00garbage"},
		{"no leading comment", strings.TrimPrefix(minimal, "# Disk DescriptorFile\n")},
		{"other leading comment", "# written by hand\n\n" + strings.TrimPrefix(minimal, "# Disk DescriptorFile\n")},
		{"spelling of the leading comment", "#Disk Descriptor File" + strings.TrimPrefix(minimal, "# Disk DescriptorFile")},
		{"case", "# DISK DESCRIPTORFILE\nVERSION=1\ncid=12345678\nrw 8 flat \"a.vmdk\" 0\n"},
		{"blanks", "# Disk DescriptorFile\n \tversion =\t1 \n CID = \"12345678\" \n\tRW\t8  FLAT  \"a.vmdk\"  0 \n"},
		{"comments after values", "# Disk DescriptorFile\nversion=1 # one\nCID=\"12345678\" # two\nRW 8 FLAT \"a.vmdk\" 0\n"},
		{"unknown keys", minimal + "keySafe=\"vmware:key\" \"x\"\nfuture = yes\n"},
		{"last assignment counts", strings.Replace(minimal, "CID", "CID=00000000\nCID", 1)},
	}
	want, err := ParseDescriptor([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDescriptor([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %+v\nwant %+v", got, want)
			}
		})
	}
	if want.HasParent() || want.ParentCID != 0xffffffff {
		t.Errorf("without parentCID: %#x", want.ParentCID)
	}
}

func TestParseDescriptorRefuses(t *testing.T) {
	without := func(line string) string { return strings.Replace(minimal, line+"\n", "", 1) }
	tests := []struct {
		name, text string
		is         error
		message    string
	}{
		{"empty", "", ErrNoDescriptor, "does not begin"},
		{"padding only", "\x00\x00", ErrNoDescriptor, "does not begin"},
		{"comments only", "# a\n\n# b", ErrNoDescriptor, "does not begin"},
		{"other text", "Lorem ipsum\n" + minimal, ErrNoDescriptor, "does not begin"},
		{"vmx file", ".encoding = \"UTF-8\"\nversion = 1\n", ErrNoDescriptor, "does not begin"},
		{"too large", minimal + strings.Repeat("#", maxDescriptor), ErrBadDescriptor, "at most"},
		{"no version", without("version=1"), ErrBadDescriptor, "version missing"},
		{"no CID", without("CID=12345678"), ErrBadDescriptor, "CID missing"},
		{"no extent", without(`RW 8 FLAT "a.vmdk" 0`), ErrBadDescriptor, "no extent line"},
		{"version zero", minimal + "version=0", ErrBadDescriptor, `line 5: version "0"`},
		{"version no number", minimal + "version=1.0", ErrBadDescriptor, `version "1.0"`},
		{"CID too long", minimal + "CID=123456789", ErrBadDescriptor, "line 5: CID"},
		{"CID empty", minimal + "CID=", ErrBadDescriptor, "line 5: CID"},
		{"parentCID no number", minimal + "parentCID=none", ErrBadDescriptor, `CID "none"`},
		{"closing quote missing", minimal + "createType=\"vmfs", ErrBadDescriptor, "line 5: closing quote"},
		{"text after quote", minimal + "ddb.x=\"a\" b", ErrBadDescriptor, "line 5: text after"},
		{"stray quote", minimal + "encoding=a\"b", ErrBadDescriptor, "line 5: stray quote"},
		{"damaged access", minimal + "RX 8 FLAT \"b.vmdk\" 0", ErrBadDescriptor, "line 5: \"RX 8"},
		{"damaged access, = in the name", minimal + "RX 8 FLAT \"a=b.vmdk\" 0", ErrBadDescriptor, "line 5: \"RX 8"},
		{"line without key", minimal + "= 1", ErrBadDescriptor, "line 5"},
		{"capacity", minimal + strings.Repeat("RW 9007199254740992 ZERO\n", 2), ErrBadDescriptor, "largest possible disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseDescriptor([]byte(tt.text))
			if d != nil || !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.message) {
				t.Errorf("%v, error %v; want %v with %q", d, err, tt.is, tt.message)
			}
		})
	}
}

func TestErrorsStayShort(t *testing.T) {
	_, err := ParseDescriptor([]byte(minimal + strings.Repeat("\xff", maxDescriptor/2)))
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("error %.600v", err)
	}
}

func TestNativeSnapshot(t *testing.T) {
	for value, want := range map[string]bool{`"yes"`: true, "Yes": true, `"no"`: false, `""`: false} {
		d, err := ParseDescriptor([]byte(minimal + "isNativeSnapshot=" + value))
		if err != nil || d.NativeSnapshot != want {
			t.Errorf("%s: %v, error %v", value, d, err)
		}
	}
}

func TestDDBKeys(t *testing.T) {
	d, err := ParseDescriptor([]byte(minimal + "DDB.geometry.heads = 16\nddb. = 1\nddb.comment = \"\"\n"))
	if want := map[string]string{"geometry.heads": "16", "comment": ""}; err != nil || !maps.Equal(d.DDB, want) {
		t.Errorf("DDB %v, error %v", d, err)
	}
}

func TestDevice(t *testing.T) {
	createTypes := map[string]bool{
		"": false, "custom": false, "monolithicFlat": false, "vmfs": false, "vmfsThin": false, "vmfsSparse": false,
		"fullDevice": true, "FULLDEVICE": true, "partitionedDevice": true, "vmfsRaw": true, "vmfsRDM": true,
		"vmfsRDMP": true, "vmfsRawDeviceMap": true, "vmfsPassthroughRawDeviceMap": true,
	}
	for createType, want := range createTypes {
		d := Descriptor{CreateType: createType, Extents: []Extent{{Type: "FLAT"}}}
		if got := d.Device(); got != want {
			t.Errorf("createType %q: %v", createType, got)
		}
	}
	extentTypes := map[string]bool{
		"FLAT": false, "ZERO": false, "VMFS": false, "VMFSSPARSE": false, "SESPARSE": false,
		"VMFSRDM": true, "vmfsrdm": true, "VMFSRAW": true, "VMFSPASSTHROUGHRAWDEVICEMAP": true,
	}
	for extentType, want := range extentTypes {
		d := Descriptor{CreateType: "vmfs", Extents: []Extent{{Type: "VMFS"}, {Type: extentType}}}
		if got := d.Device(); got != want {
			t.Errorf("extent type %q: %v", extentType, got)
		}
	}
}
