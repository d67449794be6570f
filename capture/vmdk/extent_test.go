package vmdk

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestExtentLines(t *testing.T) {
	tests := []struct {
		line string
		want Extent
	}{
		{`RW 4192256 SPARSE "test-s001.vmdk"`, Extent{"RW", 4192256, "SPARSE", "test-s001.vmdk", 0}},
		{`RW 2048 FLAT "test-flat.vmdk" 0`, Extent{"RW", 2048, "FLAT", "test-flat.vmdk", 0}},
		{`RW 2048 FLAT "test-flat.vmdk"`, Extent{"RW", 2048, "FLAT", "test-flat.vmdk", 0}},
		{`RDONLY 2048 VMFS "a disk, # = 1.vmdk"`, Extent{"RDONLY", 2048, "VMFS", "a disk, # = 1.vmdk", 0}},
		{`noaccess 1 vmfssparse "x"`, Extent{"NOACCESS", 1, "VMFSSPARSE", "x", 0}},
		{`RW 2168775 ZERO`, Extent{"RW", 2168775, "ZERO", "", 0}},
		{`RW 2097152 ZERO "/dev/sdc2" 0`, Extent{"RW", 2097152, "ZERO", "", 0}},
		{`RW 0 ZERO`, Extent{"RW", 0, "ZERO", "", 0}},
		{`RW 41945652 FLAT "/dev/sda" 63`, Extent{"RW", 41945652, "FLAT", "/dev/sda", 63}},
		{`RW 8192 FLAT "\\.\PhysicalDrive0" 63 partitionUUID deadbeef`, Extent{"RW", 8192, "FLAT", `\\.\PhysicalDrive0`, 63}},
		{`RW 8192 FLAT "\\.\PhysicalDrive0" partitionUUID deadbeef`, Extent{"RW", 8192, "FLAT", `\\.\PhysicalDrive0`, 0}},
		{"RW 8 FLAT \"B\xfcro.vmdk\" 0", Extent{"RW", 8, "FLAT", "B\xfcro.vmdk", 0}},
		{`RW 18014398509481983 SESPARSE "x"`, Extent{"RW", 1<<54 - 1, "SESPARSE", "x", 0}},
	}
	for _, tt := range tests {
		d, err := ParseDescriptor([]byte("version=1\nCID=0\n" + tt.line))
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		if d.Extents[0] != tt.want || d.Capacity() != tt.want.Sectors*SectorSize {
			t.Errorf("%s: %+v, capacity %d", tt.line, d.Extents, d.Capacity())
		}
	}
}

func TestBadExtentLines(t *testing.T) {
	tests := []struct {
		line, message string
	}{
		{`RW x FLAT "a"`, `extent line 3: size "x" is not`},
		{`RW -1 FLAT "a"`, `size "-1" is not`},
		{`RW "a" FLAT`, `is not a number of sectors`},
		{`RW 18014398509481984 FLAT "a"`, "too large"},
		{`RW 99999999999999999999 FLAT "a"`, "is not a number"},
		{`RW 8`, "no extent type"},
		{`RW 8 "a"`, "no extent type"},
		{`RW 8 FLAT`, "no quoted text"},
		{`RW 8 SPARSE a.vmdk`, "no quoted text"},
		{`RW 8 SPARSE ""`, "empty file name"},
		{`RW 8 SPARSE "a.vmdk`, "closing quote missing"},
		{`RW 8 FLAT "a" -1`, `offset "-1" is not`},
		{`RW 8 FLAT "a" 1x`, `offset "1x" is not`},
		{`RW 8 FLAT "a" 18014398509481980`, "largest possible file"},
	}
	for _, tt := range tests {
		_, err := ParseDescriptor([]byte("version=1\nCID=0\n" + tt.line))
		if !errors.Is(err, ErrBadDescriptor) || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: error %v, want %q", tt.line, err, tt.message)
		}
	}
}

// TestPartitionedDevice reads extents as Workstation wrote them for a physical
// disk: the partition table in a file, one partition, the rest hidden.
func TestPartitionedDevice(t *testing.T) {
	d, err := ParseDescriptor([]byte(`# Disk DescriptorFile
version=1
CID=ab0e0c64
parentCID=ffffffff
createType="partitionedDevice"

# Extent description
RW 63 FLAT "XP-pt.vmdk" 0
RW 41945652 FLAT "/dev/sda" 63
RW 2168775 ZERO
RW 63 FLAT "XP-pt.vmdk" 63
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Extent{
		{"RW", 63, "FLAT", "XP-pt.vmdk", 0},
		{"RW", 41945652, "FLAT", "/dev/sda", 63},
		{"RW", 2168775, "ZERO", "", 0},
		{"RW", 63, "FLAT", "XP-pt.vmdk", 63},
	}
	if !slices.Equal(d.Extents, want) || !d.Device() || d.Capacity() != (63+41945652+2168775+63)*512 {
		t.Errorf("extents %+v, device %v, capacity %d", d.Extents, d.Device(), d.Capacity())
	}
}
